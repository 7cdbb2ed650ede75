"""What new users stumble over: folders, recipes, versions, results and outages."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.schemas.library import RecipeResponse
from core.specs.jobs import PretrainSpec
from core.specs.recipes import RECIPES
from signforge.cli import app
from signforge.client import ApiError, Client, ConnectionFailed
from signforge.client.models import Metric
from signforge.client.transport.event_stream import follow_events
from signforge.commands.printing.import_report import summary_fields
from signforge.commands.printing.training_report import rising_loss
from tests.signforge.conftest import RunningApi

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("SIGNFORGE_URL", api.url)
    monkeypatch.setenv("SIGNFORGE_API_KEY", api.api_key)
    return lambda *words: CliRunner().invoke(app, words)


def test_a_download_into_a_folder_that_does_not_exist_yet(
    invoke: Invoke, make_encoder: Callable[[bytes], str], tmp_path: Path
) -> None:
    make_encoder(b"weights")
    result = invoke("download", "signs-encoder", f"{tmp_path}/new/dir/")
    assert result.exit_code == 0, result.output
    file = tmp_path / "new" / "dir" / "signs-encoder-v1.safetensors"
    assert result.stdout.strip() == str(file)
    assert file.read_bytes() == b"weights"


def test_recipes_need_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNFORGE_URL", "http://127.0.0.1:1")
    shown = json.loads(CliRunner().invoke(app, ["recipes", "--json"]).stdout)
    assert shown == [RecipeResponse.of(recipe).model_dump(mode="json") for recipe in RECIPES.values()]
    one = json.loads(CliRunner().invoke(app, ["recipes", "smoke", "--json"]).stdout)
    assert one["config"]["run"]["num_epochs"] == 20


def test_the_usual_recipe_trains_without_a_gpu(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    assert PretrainSpec(corpus="signs").recipe == "signforge"
    assert "cores" in RECIPES["signforge"].hardware
    assert invoke("submit", "pretrain", "--corpus", "signs").exit_code == 0
    with api.client() as client:
        (job,) = client.jobs.list(kind="pretrain")
    assert job.spec["recipe"] == "signforge"
    assert (job.resolved_spec or {})["recipe"] == "signforge"


def test_a_refusal_says_that_the_versions_differ(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {"kind": "pretrain", "corpus": "none"}
    with api.client() as client:
        with pytest.raises(ApiError) as same:
            client._connection.request("POST", "/v1/jobs", json=unknown, repeatable=False)
        monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9.9")
        with pytest.raises(ApiError, match=r"The service has version .* of signforge, this client 9"):
            client._connection.request("POST", "/v1/jobs", json=unknown, repeatable=False)
    assert "version" not in str(same.value)


def test_a_pretraining_is_told_in_a_few_lines(
    invoke: Invoke, make_encoder: Callable[[bytes], str], api: RunningApi
) -> None:
    make_encoder(b"weights")
    with api.client() as client:
        job = client.jobs.list(kind="pretrain")[0]
    shown = invoke("show", job.id).stdout
    assert "encoder id" in shown
    assert "resolved spec" not in shown.replace("resolved specification", "")
    assert "--json" in shown
    assert json.loads(invoke("show", job.id, "--json").stdout)["resolved_spec"]["run"]
    card = invoke("encoders", "show", "signs-encoder").stdout
    assert "{" not in card
    assert "--json" in card


def points(values: list[float]) -> list[Metric]:
    return [Metric(name="loss", step=step, value=value) for step, value in enumerate(values)]


def test_a_loss_that_rose_is_explained() -> None:
    sentence = rising_loss(points([2.0] * 10 + [4.0] * 90))
    assert sentence is not None
    assert "rose from 2.000 (first tenth of the steps) to 4.000 (last tenth)" in sentence
    assert rising_loss(points([4.0] * 10 + [2.0] * 90)) is None
    assert rising_loss(points([1.0, 2.0])) is None, "too few to tell"
    peak = [1.0] * 10 + [5.0] * 80 + [1.0] * 10
    assert rising_loss(points(peak)) is None


def test_a_corpus_without_labels_says_so() -> None:
    assert summary_fields({"label_names": ["a", "b"]})[0] == ("glosses", "2: a, b")
    name, words = summary_fields({"label_names": []})[0]
    assert name == "glosses"
    assert "labels.csv" in words


def test_a_watcher_is_told_once_that_the_service_is_away() -> None:
    told: list[str] = []
    pauses: list[float] = []

    def refuse(seconds: float) -> None:
        pauses.append(seconds)

    with Client("http://127.0.0.1:1", "sf_x", sleep=refuse) as client:
        events = follow_events(
            client._connection, "/v1/jobs/job_1/events", is_over=bool, on_away=lambda: told.append("away")
        )
        with pytest.raises(ConnectionFailed):
            next(events)
    assert len(pauses) > 5
    assert told == ["away"]
