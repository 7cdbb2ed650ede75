"""A service with artifacts in object storage, interrupted: the results are the same bytes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from core.jobs.database import reading
from core.jobs.ledger.reports import checkpoints_of
from tests.servers.s3 import S3Server
from tests.servers.service import PROGRAM, SUPERVISOR, WORKER, Service
from tests.servers.starting import wait_for
from tests.worker.programs.counting import expected_weights

pytestmark = [pytest.mark.system, pytest.mark.slow]
STEPS = 100
SLOWLY = {"steps": STEPS, "step_seconds": 0.05}


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.make_bucket()


@pytest.fixture
def objects(s3: S3Server, bucket: str) -> S3Store:
    """What is in the bucket."""
    return s3.objects(bucket)


@pytest.fixture
def service(folder: Path, s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service whose artifacts are in `bucket`; each worker gets a working folder of its own."""
    fields = s3.settings(bucket, artifacts=str(folder / "of_the_test"))
    made = Service(folder, **{f"SIGNFORGE_{name.upper()}": str(value) for name, value in fields.items()})
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    _ = made.broker
    made.start_module("worker.reconciler")
    yield made
    made.stop_everything()


def start_worker(service: Service, folder: Path, name: str) -> Path:
    """Start a worker with an empty working folder, as on a host of its own."""
    own = folder / name
    service.start_module(WORKER, SIGNFORGE_ARTIFACTS=str(own), SIGNFORGE_WORKER_NAME=name)
    return own


def test_a_killed_job_goes_on_at_another_host_and_ends_with_the_same_bytes(
    service: Service, folder: Path, objects: S3Store
) -> None:
    first = start_worker(service, folder, "first")
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 20)
    for process in service.processes(WORKER, SUPERVISOR, PROGRAM):
        process.suspend()  # so that nobody can say goodbye
    service.kill(WORKER, SUPERVISOR, PROGRAM)
    service.wait_for_no_process(WORKER, SUPERVISOR, PROGRAM)
    shutil.rmtree(first)
    second = start_worker(service, folder, "second")
    row = service.wait_for_state(job_id, "succeeded", within_seconds=60)
    assert (row.attempt, row.charged_attempts) == (2, 1)
    assert service.weights(job_id) == expected_weights(STEPS)
    said = [event.data["message"] for event in service.events(job_id, "log")]
    assert any("Resuming from the checkpoint of step" in message for message in said)
    assert (second / "corpora" / "cor_1" / "manifest.json").exists(), "the corpus was fetched"
    with reading(service.engine) as session:
        rows = checkpoints_of(session, job_id)
        kept = {f"{row.location}/{name}" for row in rows for name in ("manifest.json", "state.json")}
    assert rows[0].step == STEPS
    service.wait_for_no_process(SUPERVISOR)
    assert list((second / "jobs" / job_id).rglob("step_*")) == [], "nothing is kept twice"
    assert (second / "jobs" / job_id / "attempt_2" / "program.log").exists()
    there = {found["path"] for batch in obstore.list(objects, f"jobs/{job_id}") for found in batch}
    assert there >= kept
    assert all("/attempt_1/" in path for path in there - kept), "what the killed one was about to remove"


def test_a_store_that_hangs_in_the_middle_costs_checkpoints_and_not_the_job(
    service: Service, folder: Path, s3: S3Server
) -> None:
    start_worker(service, folder, "only")
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    s3.suspend()
    try:
        wait_for(lambda: _said(service, job_id, "is not stored"), within_seconds=20, what="the report")
        before = _progress(service, job_id)
        wait_for(lambda: _progress(service, job_id) > before, within_seconds=20, what="further steps")
    finally:
        s3.resume()
    row = service.wait_for_state(job_id, "succeeded", within_seconds=60)
    assert (row.attempt, row.charged_attempts) == (1, 0)
    assert service.weights(job_id) == expected_weights(STEPS)


def test_a_job_that_finds_the_store_hanging_is_tried_again(
    service: Service, folder: Path, s3: S3Server
) -> None:
    start_worker(service, folder, "only")
    s3.suspend()
    try:
        job_id = service.submit(steps=STEPS)
        wait_for(
            lambda: [attempt.outcome for attempt in service.attempts(job_id)][:1] == ["storage_away"],
            within_seconds=40,
            what="the end of the first attempt",
        )
    finally:
        s3.resume()
    row = service.wait_for_state(job_id, "succeeded", within_seconds=60)
    assert row.charged_attempts in (1, 2)
    assert service.weights(job_id) == expected_weights(STEPS)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    service: Service, folder: Path, objects: S3Store
) -> None:
    start_worker(service, folder, "first")
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 20)
    for process in service.processes(WORKER, SUPERVISOR, PROGRAM):
        process.suspend()
    service.kill(WORKER, SUPERVISOR, PROGRAM)
    service.wait_for_no_process(WORKER, SUPERVISOR, PROGRAM)
    with reading(service.engine) as session:
        newest = checkpoints_of(session, job_id)[0]
    content = bytes(obstore.get(objects, f"{newest.location}/state.json").bytes())
    obstore.put(objects, f"{newest.location}/state.json", content.replace(b"a", b"b"))
    start_worker(service, folder, "second")
    service.wait_for_state(job_id, "succeeded", within_seconds=60)
    assert service.weights(job_id) == expected_weights(STEPS)
    assert _said(service, job_id, f"Cannot resume from step {newest.step}")


def _said(service: Service, job_id: str, what: str) -> bool:
    return any(what in event.data["message"] for event in service.events(job_id, "log"))


def _progress(service: Service, job_id: str) -> int:
    return int((service.job(job_id).progress or {"step": 0})["step"])
