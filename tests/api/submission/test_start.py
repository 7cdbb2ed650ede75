"""A pretraining may start from an encoder of the same network; another one is refused at submission."""

from typing import Any

import pytest

from core.jobs.database import transaction
from core.jobs.tables.artifacts import EncoderRow
from core.specs.recipes import find_recipe
from tests.api.conftest import Bench

PRETRAIN = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke", "name": "later", "start": "earlier"}


@pytest.fixture
def start_id(bench: Bench) -> str:
    """An encoder called `earlier`, of the recipe `smoke`."""
    encoder_id = bench.make_encoder(bench.make_corpus(name="signs"), name="earlier")
    with transaction(bench.service.engine) as session:
        config = find_recipe("smoke").config.model_dump(mode="json")
        del config["encoder"]["embedding_pieces"]  # as cards of before that field
        session.get_one(EncoderRow, encoder_id).card = {"config": config}
    return encoder_id


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_the_name_of_the_start_becomes_its_id(bench: Bench, start_id: str, query: str) -> None:
    answer = bench.client.post(f"/v1/jobs{query}", json=PRETRAIN)
    assert answer.is_success, answer.text
    assert answer.json()["spec"]["start"] == start_id
    assert (
        "start"
        not in bench.client.post(
            f"/v1/jobs{query}", json={name: value for name, value in PRETRAIN.items() if name != "start"}
        ).json()["spec"]
    )


@pytest.mark.usefixtures("start_id")
@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"recipe": "signforge"}, "encoder.hand_origin is 'crop' there and 'points' here"),
        ({"overrides": {"encoder": {"feature_width": 32}}}, "encoder.feature_width is 64 there and 32 here"),
        ({"start": "signforge-base"}, "Do so with `signforge encoders import signforge-base`."),
        ({"start": "earlyer"}, "You have no encoder 'earlyer'. Did you mean 'earlier'?"),
    ],
)
def test_another_network_is_refused(bench: Bench, changes: dict[str, Any], detail: str) -> None:
    answer = bench.client.post("/v1/jobs?dry_run=true", json=PRETRAIN | changes)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "/start"
    assert detail in fault["detail"]
