import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import CorpusError, EncoderError, SpecError, UserError
from core.jobs import workers
from core.jobs.database import transaction
from core.jobs.ledger import leases, outcomes, reports
from core.jobs.ledger.submissions import submit
from core.jobs.states import Reason
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import PretrainSpec
from signforge import Client, JobFailed
from signforge.client import ApiError, ConnectionFailed, WaitTimedOut
from signforge.client.event_models import (
    CheckpointEvent,
    Event,
    LogEvent,
    MetricEvent,
    ProgressEvent,
    StateEvent,
)
from signforge.client.models import Job
from signforge.client.transport.address import Address
from signforge.client.transport.connection import Connection
from signforge.client.transport.event_stream import follow_events
from tests.signforge.conftest import LEASE_SECONDS, RunningApi
from tests.signforge.cutting_proxy import CuttingProxy


def test_an_upload_arrives_whole(api: RunningApi, tmp_path: Path) -> None:
    source = tmp_path / "two words.npz"
    source.write_bytes(bytes(range(256)) * 9000)
    told: list[tuple[int, int | None]] = []
    with api.client() as client:
        upload = client.uploads.create(source, on_bytes=lambda done, total: told.append((done, total)))
    assert (upload.filename, upload.size_bytes) == ("two words.npz", 256 * 9000)
    assert told[-1] == (256 * 9000, 256 * 9000)


def test_a_folder_is_packed_without_links_and_hidden_files(api: RunningApi, tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    (folder / "hello").mkdir(parents=True)
    (folder / "hello" / "1.npz").write_bytes(b"1")
    (folder / ".hidden").write_bytes(b"2")
    (folder / "link.npz").symlink_to(folder / "hello" / "1.npz")
    with api.client() as client:
        job = client.corpora.add(folder, name="takes", split=SplitConfig(by="random"))
    assert job.kind == "import"
    assert job.name == "takes"
    assert job.state == "queued"
    assert job.queue_position == 1


@pytest.mark.parametrize("name", ["nothing-here", "empty"])
def test_there_must_be_something_to_send(api: RunningApi, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with api.client() as client, pytest.raises(CorpusError, match=name):
        client.corpora.add(tmp_path / name, name="x")


def test_a_problem_carries_status_pointer_and_request(api: RunningApi, corpus: str) -> None:
    spec = PretrainSpec(corpus=corpus, recipe="smoke", overrides={"run": {"num_epoch": 3}})
    with api.client() as client, pytest.raises(ApiError) as caught:
        client.jobs.submit(spec)
    assert caught.value.status == 422
    assert caught.value.pointers == ("/overrides/run/num_epoch",)
    assert "num_epochs" in str(caught.value)
    assert caught.value.request_id


def test_a_misspelt_specification_is_refused_before_it_is_sent(api: RunningApi) -> None:
    with api.client() as client, pytest.raises(SpecError, match="corpos") as caught:
        client.jobs.submit({"kind": "pretrain", "corpus": "x", "corpos": "y"})
    assert caught.value.pointer == "/corpos"


def test_a_wrong_api_key_is_401(api: RunningApi) -> None:
    with Client(api.url, "sf_0123_4567") as client, pytest.raises(ApiError) as caught:
        client.jobs.list()
    assert caught.value.status == 401


def test_a_missing_api_key_is_told_with_where_to_get_one(
    api: RunningApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIGNFORGE_API_KEY", raising=False)
    monkeypatch.setenv("SIGNFORGE_DATA_FOLDER", str(tmp_path))
    with Client(api.url) as client, pytest.raises(ApiError, match="from SIGNFORGE_API_KEY") as caught:
        client.corpora.list()
    assert "signforge keys create" in str(caught.value)


def test_no_service_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    with (
        Client("http://127.0.0.1:9", "key", sleep=pauses.append) as client,
        pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:9 .*signforge up"),
    ):
        client.jobs.list()
    assert sum(pauses) < 1


def test_a_lost_answer_makes_no_second_job(api: RunningApi, corpus: str) -> None:
    with (
        CuttingProxy(api.port, cuts=[1, 1]) as proxy,
        Client(proxy.url, api.api_key, sleep=lambda seconds: None) as client,
    ):
        job = client.jobs.submit(PretrainSpec(corpus=corpus, recipe="smoke"))
    assert proxy.num_connections == 3
    with api.client() as client:
        assert [found.id for found in client.jobs.list(kind="pretrain")] == [job.id]


def test_lists_are_read_to_their_end(api: RunningApi, corpus: str) -> None:
    spec = PretrainSpec(corpus=corpus)
    with transaction(api.engine) as session:
        rows = [submit(session, owner=api.owner, spec=spec, resolved=None) for _ in range(103)]
        made = [row.id for row in rows]
    with api.client() as client:
        assert [job.id for job in client.jobs.list(kind="pretrain")] == made[::-1]
        assert [job.id for job in client.jobs.list(limit=101)] == made[:1:-1]
        assert client.jobs.list(state="running") == []


def test_corpora_are_found_by_id_and_by_name(api: RunningApi, corpus: str) -> None:
    with api.client() as client:
        assert [found.id for found in client.corpora.list()] == [corpus]
        assert client.corpora.get(corpus) == client.corpora.get("signs")
        with pytest.raises(ApiError, match="no corpus 'sings'"):
            client.corpora.get("sings")


def test_cancel_may_be_repeated_and_wait_returns_the_end(api: RunningApi, corpus: str) -> None:
    with api.client() as client:
        job = client.jobs.submit(PretrainSpec(corpus=corpus, recipe="smoke"))
        assert client.jobs.cancel(job.id).state == client.jobs.cancel(job.id).state == "cancelled"
        assert client.jobs.wait(job.id, timeout=5).is_final


def test_wait_gives_up_in_time_and_leaves_the_job(api: RunningApi, corpus: str) -> None:
    with api.client() as client:
        job = client.jobs.submit(PretrainSpec(corpus=corpus, recipe="smoke"))
        with pytest.raises(WaitTimedOut, match="still queued"):
            client.jobs.wait(job.id, timeout=0.5)
        assert client.jobs.get(job.id).state == "queued"


def test_watch_yields_every_event_once_over_broken_connections(api: RunningApi, corpus: str) -> None:
    with api.client() as client:
        job_id = client.jobs.submit(PretrainSpec(corpus=corpus, recipe="smoke")).id
    _live_a_life(api, num_steps=60)
    with (
        CuttingProxy(api.port, cuts=[3000, 2000, 2000]) as proxy,
        Client(proxy.url, api.api_key, sleep=lambda seconds: None) as client,
    ):
        events = list(client.jobs.events(job_id))
    assert proxy.num_cuts_left == 0
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    states = [event.data.target for event in events if isinstance(event, StateEvent)]
    assert states == ["queued", "starting", "running", "failed"]
    metrics = [event.data for event in events if isinstance(event, MetricEvent)]
    assert [each.step for each in metrics] == list(range(1, 61))
    assert metrics[-1].metrics == {"loss": None}
    assert [event.data.phase for event in events if isinstance(event, ProgressEvent)] == ["training"]
    assert [event.data.message for event in events if isinstance(event, LogEvent)] == ["half way"]
    assert [event.data.step for event in events if isinstance(event, CheckpointEvent)] == [60]


def test_a_watcher_is_patient_from_the_cut_on_however_long_the_job_was_silent(
    api: RunningApi, corpus: str
) -> None:
    with api.client() as client:
        job_id = client.jobs.submit(PretrainSpec(corpus=corpus, recipe="smoke")).id
    _live_a_life(api, num_steps=60)
    events: list[Event] = []
    with CuttingProxy(api.port, cuts=[3000, 2000]) as proxy:
        connection = Connection(Address(proxy.url, api.api_key, is_local=True), sleep=lambda seconds: None)
        path = f"/v1/jobs/{job_id}/events"
        for event in follow_events(
            connection, path, is_over=lambda: False, clock=lambda: 3600.0 * len(events)
        ):
            events.append(event)
        connection.close()
        assert (proxy.num_cuts_left, proxy.num_connections) == (0, 3)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))


def test_watch_goes_on_after_a_sequence_and_ends_when_there_is_nothing_left(
    api: RunningApi, corpus: str
) -> None:
    with api.client() as client:
        job_id = client.jobs.submit(PretrainSpec(corpus=corpus, recipe="smoke")).id
        _live_a_life(api, num_steps=3)
        everything = list(client.jobs.events(job_id))
        assert list(client.jobs.events(job_id, after=4)) == everything[4:]
        assert list(client.jobs.events(job_id, after=everything[-1].sequence)) == []


def test_watching_what_is_not_there_is_an_error_at_once(api: RunningApi) -> None:
    with api.client() as client, pytest.raises(ApiError) as caught:
        client.jobs.events("job_0")
    assert caught.value.status == 404


def test_attempts_and_checkpoints_are_listed_and_checkpoints_are_pinned_and_deleted(
    api: RunningApi, corpus: str
) -> None:
    with api.client() as client:
        job_id = client.jobs.submit(PretrainSpec(corpus=corpus, recipe="smoke")).id
        _live_a_life(api, num_steps=3)
        (attempt,) = client.jobs.attempts(job_id)
        assert (attempt.attempt, attempt.worker, attempt.outcome) == (1, "hand", "diverged")
        (checkpoint,) = client.jobs.checkpoints(job_id)
        assert (checkpoint.job_id, checkpoint.step, checkpoint.pinned) == (job_id, 3, False)
        assert client.checkpoints.pin(checkpoint.id).pinned
        assert not client.checkpoints.unpin(checkpoint.id).pinned
        client.checkpoints.delete(checkpoint.id)
        assert client.jobs.checkpoints(job_id) == []


def test_an_upload_is_imported_and_one_that_is_not_needed_is_deleted(api: RunningApi, tmp_path: Path) -> None:
    source = tmp_path / "poses.npz"
    source.write_bytes(b"poses")
    with api.client() as client:
        needed, other = client.uploads.create(source), client.uploads.create(source)
        job = client.corpora.import_upload(needed.id, name="signs")
        assert (job.kind, job.spec["source"]) == ("import", needed.id)
        client.uploads.delete(other.id)
        with pytest.raises(ApiError) as caught:
            client.corpora.import_upload(other.id, name="more")
    assert caught.value.status in (404, 422)


def test_workers_are_listed(api: RunningApi) -> None:
    capacity = workers.Capacity("cpu", 3, {"cores": 3})
    with transaction(api.engine) as session:
        workers.heartbeat(session, api.owner, host="here", process_id=7, capacity=capacity)
    with api.client() as client:
        (worker,) = [found for found in client.workers.list() if found.name == api.owner]
    with transaction(api.engine) as session:
        workers.retire(session, api.owner)
    assert (worker.host, worker.process_id, worker.busy) == ("here", 7, False)
    assert (worker.device, worker.num_devices, worker.capabilities["cores"]) == ("cpu", 3, 3)
    assert "pretrain" in worker.capabilities["kinds"]


@pytest.mark.parametrize(
    "job_id", ["../corpora", "job_0?wait=1", "job_0#", "a/b", "job 0", "\udcff", "%2e%2e"]
)
def test_an_id_cannot_lead_elsewhere(api: RunningApi, job_id: str) -> None:
    with api.client() as client, pytest.raises(ApiError) as caught:
        client.jobs.get(job_id)
    assert caught.value.status == 404


@pytest.mark.parametrize("job_id", ["", ".", ".."])
def test_what_cannot_be_an_id_is_refused(job_id: str) -> None:
    with (
        Client("http://127.0.0.1:1", api_key="none") as client,
        pytest.raises(UserError, match="is not an id"),
    ):
        client.jobs.cancel(job_id)


def test_metrics_come_by_step(api: RunningApi, corpus: str) -> None:
    with api.client() as client:
        job_id = client.jobs.submit(PretrainSpec(corpus=corpus, recipe="smoke")).id
        _live_a_life(api, num_steps=5)
        found = client.jobs.metrics(job_id, name="loss", after_step=2)
    assert [(metric.step, metric.value) for metric in found] == [(3, 1 / 3), (4, 1 / 4)]


def test_a_download_goes_on_where_it_broke_off(
    api: RunningApi, make_encoder: Callable[[bytes], str], tmp_path: Path
) -> None:
    content = bytes(range(251)) * 12000
    encoder_id = make_encoder(content)
    told: list[int] = []
    with (
        CuttingProxy(api.port, cuts=[1_000_000, 700_000]) as proxy,
        Client(proxy.url, api.api_key, sleep=lambda seconds: None) as client,
    ):
        path = client.encoders.download(encoder_id, tmp_path, on_bytes=lambda done, total: told.append(done))
    assert proxy.num_cuts_left == 0
    assert path == tmp_path / "signs-encoder-v1.safetensors"
    assert path.read_bytes() == content
    assert told == sorted(told), "no byte was fetched twice"
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.system
@pytest.mark.slow
def test_two_hundred_megabytes_arrive_through_fifty_cuts(
    api: RunningApi, make_encoder: Callable[[bytes], str], tmp_path: Path
) -> None:
    content = random.Random(1).randbytes(200_000_000)
    encoder_id, digest = make_encoder(content), hashlib.sha256(content).hexdigest()
    draw, mean_bytes = random.Random(2), len(content) // 60
    cuts = [draw.randrange(1, 2 * mean_bytes) for _ in range(50)]
    with (
        CuttingProxy(api.port, cuts=cuts) as proxy,
        Client(proxy.url, api.api_key, sleep=lambda seconds: None) as client,
    ):
        path = client.encoders.download(encoder_id, tmp_path)
        assert (proxy.num_cuts_left, proxy.num_connections) == (0, 51)
    with path.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == digest


def test_a_download_that_is_not_what_was_promised_is_thrown_away(
    api: RunningApi, make_encoder: Callable[[bytes], str], tmp_path: Path
) -> None:
    encoder_id = make_encoder(b"weights")
    stored = next(api.settings.artifacts_folder.rglob(f"{encoder_id}/encoder.safetensors"))
    stored.write_bytes(b"wrights")
    target = tmp_path / "mine" / "encoder.safetensors"
    with api.client() as client, pytest.raises(EncoderError, match="sha256"):
        client.encoders.download("signs-encoder", target)
    assert list(target.parent.iterdir()) == []


def test_a_finished_part_file_is_only_verified(
    api: RunningApi, make_encoder: Callable[[bytes], str], tmp_path: Path
) -> None:
    encoder_id = make_encoder(b"weights")
    with api.client() as client:
        sha256 = client.encoders.get(encoder_id).sha256
        (tmp_path / f"e.safetensors.{sha256[:12]}.part").write_bytes(b"weights")
        assert client.encoders.download(encoder_id, tmp_path / "e.safetensors").read_bytes() == b"weights"


def test_encoders_carry_card_and_scores(api: RunningApi, make_encoder: Callable[[bytes], str]) -> None:
    encoder_id = make_encoder(b"weights")
    with api.client() as client:
        client.jobs.submit({"kind": "evaluate", "corpus": "signs", "encoder": "signs-encoder"})
        claim = api.claim()
        with transaction(api.engine) as session:
            outcomes.succeed_evaluate(session, claim.lease, result={"scores": {"top1": 0.5}})
        found = client.encoders.get("signs-encoder")
        assert found.id == encoder_id
        assert found.card == {"name": "signs-encoder"}
        assert [evaluation.scores["top1"] for evaluation in found.evaluations] == [0.5]
        assert [item.id for item in client.evaluations.list(encoder="signs-encoder")] == [
            found.evaluations[0].id
        ]


def test_recipes_and_dry_run(api: RunningApi, corpus: str) -> None:
    with api.client() as client:
        assert {"stc", "smoke"} <= {recipe.name for recipe in client.recipes.list()}
        answer = client.jobs.dry_run(
            PretrainSpec(corpus="signs", recipe="smoke", overrides={"run": {"seed": 4}})
        )
        assert answer["resolved_spec"]["run"]["seed"] == 4
        assert client.jobs.list(kind="pretrain") == []


def test_api_keys_are_made_listed_and_revoked(api: RunningApi) -> None:
    with api.client() as client:
        made = client.api_keys.create("bob", scopes=("read",))
        assert made.api_key is not None
        with Client(api.url, made.api_key) as other:
            assert other.jobs.list() == []
            client.api_keys.revoke(made.id)
            with pytest.raises(ApiError):
                other.jobs.list()
        assert {key.owner for key in client.api_keys.list()} >= {api.owner, "bob"}


def _live_a_life(api: RunningApi, *, num_steps: int) -> None:
    """Play a worker: numbers (step n's loss is 1/n, the last one NaN), a checkpoint, a failure."""
    lease = api.claim().lease
    with transaction(api.engine) as session:
        reports.report_progress(session, lease, {"phase": "training", "step": 1, "total_steps": num_steps})
        reports.report_log(session, lease, "half way")
        for step in range(1, num_steps):
            reports.record_metrics(session, lease, [reports.Point(step, {"loss": 1 / step})])
        reports.record_metrics(session, lease, [reports.Point(num_steps, {"loss": float("nan")})])
        reports.commit_checkpoint(
            session, lease, step=num_steps, location="jobs/x", manifest={"files": {}}, size_bytes=1
        )
        leases.renew(session, lease, LEASE_SECONDS)
        outcomes.fail(session, lease, reason=Reason.DIVERGED, message="the loss is not a number")


def test_a_job_that_failed_is_raised_with_its_message() -> None:
    now = "2026-01-01T00:00:00Z"
    good = Job.model_validate({"id": "job_1", "kind": "import", "state": "succeeded", "created_at": now})
    assert good.raise_for_state() is good
    fields = {"state": "failed", "status_message": "The file is damaged."}
    with pytest.raises(JobFailed, match=r"^job_1 \(import\) is failed: The file is damaged\.$"):
        good.model_copy(update=fields).raise_for_state()
    with pytest.raises(JobFailed, match=r"^job_1 \(import\) is cancelled\.$"):
        good.model_copy(update={"state": "cancelled"}).raise_for_state()
