"""A service of real processes, killed and cut off at every point: no job is lost, no process is left."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from core.jobs.database import reading, transaction
from core.jobs.tables.artifacts import CheckpointRow
from core.jobs.tables.jobs import JobRow, OutboxRow, WorkerRow
from tests.servers.folders import short_folder
from tests.servers.service import PROGRAM, SUPERVISOR, WORKER, Service
from tests.servers.starting import wait_for
from tests.worker.programs.counting import expected_weights
from worker.processes import marked

pytestmark = [pytest.mark.system, pytest.mark.slow]
CLINGING = "tests.worker.programs.clinging_worker"
STEPS = 60
SLOWLY = {"steps": STEPS, "step_seconds": 0.05}
"""About three seconds of counting."""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One service for all faults: each test starts again what the one before ended."""
    with short_folder() as folder, Service(folder) as made:
        yield made


@pytest.fixture
def untouched() -> Iterator[Service]:
    """A service of which nothing has run yet."""
    with short_folder() as folder, Service(folder) as made:
        yield made


@pytest.fixture
def worker(service: Service) -> "subprocess.Popen[bytes]":
    """The main process of a running service's Celery worker, ready for work."""
    return service.restart_what_ended()


def assert_done_exactly(service: Service, job_id: str, *, attempts: int, charged: int) -> JobRow:
    """The job succeeds with the bytes of a run that nobody disturbed."""
    row = service.wait_for_state(job_id, "succeeded")
    assert (row.attempt, row.charged_attempts) == (attempts, charged)
    assert service.weights(job_id) == expected_weights(STEPS)
    service.wait_for_no_process(SUPERVISOR, PROGRAM)
    return row


def test_a_job_is_picked_up_at_once_and_done(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = service.submit(**SLOWLY)
    assert_done_exactly(service, job_id, attempts=1, charged=0)
    queued, starting, *_ = service.events(job_id, "state")
    assert (starting.created_at - queued.created_at).total_seconds() < 5


def test_kill_the_program(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    service.kill(PROGRAM)
    assert_done_exactly(service, job_id, attempts=2, charged=1)


def test_kill_the_supervisor(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    before = {process.pid for process in service.processes(SUPERVISOR, PROGRAM)}
    service.kill(SUPERVISOR)
    wait_for(
        lambda: not before & {process.pid for process in service.processes()},
        within_seconds=5,
        what="the end of the program whose supervisor was killed",
    )
    assert_done_exactly(service, job_id, attempts=2, charged=1)
    assert service.attempts(job_id)[0].outcome == "worker_lost"


def test_checkpoints_whose_rows_were_never_written_are_found_again(
    service: Service, worker: "subprocess.Popen[bytes]"
) -> None:
    """As after a database outage that outlasts the lease: files are there, rows are not."""
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 20)
    service.suspend(SUPERVISOR, PROGRAM)
    with transaction(service.engine) as session:
        rows = session.query(CheckpointRow).filter_by(job_id=job_id).all()
        assert rows
        for row in rows:
            session.delete(row)
    service.kill(SUPERVISOR)
    assert_done_exactly(service, job_id, attempts=2, charged=1)
    said = [event.data["message"] for event in service.events(job_id, "log")]
    assert any("Resuming from the checkpoint of step" in message for message in said)


def test_kill_the_pool_child(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    service.kill(WORKER, child_of=worker.pid)
    assert_done_exactly(service, job_id, attempts=2, charged=0)
    assert service.attempts(job_id)[0].outcome == "drained"


def test_kill_the_celery_main_process(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    worker.kill()
    worker.wait(10)
    service.wait_for_no_process(WORKER, SUPERVISOR, PROGRAM)
    service.start_module(WORKER)
    assert_done_exactly(service, job_id, attempts=2, charged=0)


def test_kill_everything_at_once(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    """As a power cut would: nobody can say goodbye, so the lease has to run out."""
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    service.suspend(WORKER, SUPERVISOR, PROGRAM)
    service.kill(WORKER, SUPERVISOR, PROGRAM)
    worker.wait(10)
    service.wait_for_no_process(WORKER, SUPERVISOR, PROGRAM)
    assert service.job(job_id).state == "running"
    service.start_module(WORKER)
    assert_done_exactly(service, job_id, attempts=2, charged=1)
    assert service.attempts(job_id)[0].outcome == "worker_lost"


def test_cancel_a_willing_program(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = service.submit(**{**SLOWLY, "steps": 100_000})
    service.wait_for_step(job_id, 10)
    asked = time.monotonic()
    service.cancel(job_id)
    service.wait_for_state(job_id, "cancelled")
    assert time.monotonic() - asked < 8
    service.wait_for_no_process(SUPERVISOR, PROGRAM)
    last_step = service.events(job_id, "checkpoint")[-1].data["step"]
    assert last_step % 5 or last_step > 10, "the checkpoint that it saved on the way out is committed"


def test_cancel_a_program_that_does_not_listen_and_has_children(
    service: Service, worker: "subprocess.Popen[bytes]"
) -> None:
    deaf = service.submit(**{**SLOWLY, "steps": 100_000}, fault="deaf", at_step=2)
    service.wait_for_step(deaf, 5)
    service.cancel(deaf)
    service.wait_for_state(deaf, "cancelled")
    service.wait_for_no_process(SUPERVISOR, PROGRAM)
    parent = service.submit(**{**SLOWLY, "steps": 100_000}, fault="orphan", at_step=2)
    service.wait_for_step(parent, 5)
    mark = str(service.job(parent).lease_token)
    assert len(marked(mark)) == 3, "supervisor, program and the program's child"
    service.cancel(parent)
    service.wait_for_state(parent, "cancelled")
    service.wait_for_no_process(SUPERVISOR)
    assert marked(mark) == []


def test_sigterm_drains(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    asked = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert time.monotonic() - asked < service.settings.stop_grace_seconds + 10
    assert service.processes(WORKER, SUPERVISOR, PROGRAM) == []
    row = service.job(job_id)
    assert (row.state, row.status_reason, row.charged_attempts) == ("queued", "drained", 0)
    assert not _registered(service)
    service.start_module(WORKER)
    assert_done_exactly(service, job_id, attempts=2, charged=0)


def test_an_idle_worker_stops_at_once(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert service.processes(WORKER) == []


def test_a_worker_that_celery_cannot_end_ends_nonetheless(untouched: Service) -> None:
    service = untouched
    _ = service.broker
    worker = service.start_module(CLINGING)
    wait_for(lambda: _registered(service), within_seconds=30, what="the worker's start")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(40) == 0
    assert service.processes(CLINGING) == []
    assert not _registered(service)


def test_the_broker_dies_in_the_middle(service: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    service.broker.kill()
    assert_done_exactly(service, job_id, attempts=1, charged=0)
    waiting = service.submit(steps=STEPS)
    service.broker.start()
    assert_done_exactly(service, waiting, attempts=1, charged=0)


def test_the_broker_forgets_everything(untouched: Service) -> None:
    service = untouched
    service.start_module("worker.reconciler")
    _ = service.broker
    job_id = service.submit(steps=STEPS)
    wait_for(lambda: _rings(service, job_id), within_seconds=20, what="the first ring")
    service.broker.forget()
    service.start_module(WORKER)
    assert_done_exactly(service, job_id, attempts=1, charged=0)


def test_a_worker_that_slept_through_its_lease_writes_nothing(
    service: Service, worker: "subprocess.Popen[bytes]"
) -> None:
    """Stopped like a machine that was suspended; when it wakes, somebody else has the job."""
    job_id = service.submit(**{**SLOWLY, "steps": 100_000})
    service.wait_for_step(job_id, 10)
    asleep = service.suspend(WORKER, SUPERVISOR, PROGRAM)
    wait_for(lambda: service.job(job_id).state == "queued", within_seconds=20, what="the reaping")
    with transaction(service.engine) as session:
        session.get_one(JobRow, job_id).state = "paused"  # so that nobody claims it again
        before = session.get_one(JobRow, job_id).last_event
    for process in asleep:
        with contextlib.suppress(psutil.NoSuchProcess):  # the first to wake may have ended it already
            process.resume()
    service.wait_for_no_process(SUPERVISOR, PROGRAM)
    assert service.job(job_id).last_event == before
    assert service.attempts(job_id)[0].outcome == "worker_lost"


def test_a_supervisor_that_slept_finds_its_job_done_elsewhere(
    service: Service, worker: "subprocess.Popen[bytes]"
) -> None:
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    asleep = service.suspend(WORKER, SUPERVISOR, PROGRAM)
    service.start_module(WORKER, SIGNFORGE_WORKER_NAME="elsewhere")
    done = service.wait_for_state(job_id, "succeeded")
    for process in asleep:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    service.wait_for_no_process(SUPERVISOR, PROGRAM)
    assert assert_done_exactly(service, job_id, attempts=2, charged=1).last_event == done.last_event
    first, second = service.attempts(job_id)
    assert (first.outcome, second.outcome) == ("worker_lost", "succeeded")
    assert "elsewhere" in second.worker


def _registered(service: Service) -> bool:
    with reading(service.engine) as session:
        return session.query(WorkerRow).count() > 0


def _rings(service: Service, job_id: str) -> int:
    with reading(service.engine) as session:
        return session.get_one(OutboxRow, job_id).rings
