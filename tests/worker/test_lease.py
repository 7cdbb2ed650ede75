"""Holding a lease with a real supervisor and a real program, for every way in which a program can end."""

import sys
from datetime import timedelta

import pytest

from core.jobs.database import now, reading, transaction
from core.jobs.ledger.fence import RetryPolicy
from core.jobs.ledger.job_logs import read_log
from core.jobs.ledger.leases import claim, reap
from core.jobs.ledger.reports import checkpoints_of
from core.jobs.ledger.submissions import retry
from core.jobs.scheduling import SchedulingOptions
from core.jobs.states import State
from core.jobs.tables.artifacts import CheckpointRow
from core.jobs.tables.jobs import JobRow, WorkerRow
from core.jobs.workers import Capacity, heartbeat
from tests.servers.service import SUPERVISOR, Service
from tests.worker.programs.counting import expected_weights
from worker.lease import Holder

pytestmark = pytest.mark.system


def work(service: Service) -> int:
    """Do what a pool child does when the doorbell rings."""
    return Holder(service.engine, service.settings, "wrk", lambda: False, supervisor=SUPERVISOR).work()


def work_until_final(service: Service, job_id: str) -> JobRow:
    """The same, as often as the doorbell would ring."""
    for _ in range(service.settings.max_attempts):
        with transaction(service.engine) as session:
            session.get_one(JobRow, job_id).not_before = None
        work(service)
    assert service.processes(SUPERVISOR) == []
    return service.job(job_id)


def test_a_supervisor_that_does_not_listen_any_more_costs_the_worker_nothing(service: Service) -> None:
    """What is said to it cannot be delivered, at whichever moment: the job is given back all the same."""
    job_id = service.submit(steps=20)
    with transaction(service.engine) as session:
        heartbeat(session, "wrk", host="here", process_id=1, capacity=Capacity())
    answers = iter([False])

    def draining() -> bool:
        return next(answers, True)

    deaf = "tests.worker.programs.deaf"
    assert Holder(service.engine, service.settings, "wrk", draining, supervisor=deaf).work() == 1
    assert service.job(job_id).state == State.QUEUED
    assert [attempt.outcome for attempt in service.attempts(job_id)] == ["worker_lost"]
    with reading(service.engine) as session:
        assert session.get_one(WorkerRow, "wrk").job_id is None


def test_a_job_whose_supervisor_cannot_be_started_is_given_back(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = service.submit(steps=20)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError):
        work(service)
    assert service.job(job_id).state == State.QUEUED
    assert [attempt.outcome for attempt in service.attempts(job_id)] == ["worker_lost"]


def test_a_job_from_doorbell_to_encoder(service: Service) -> None:
    job_id = service.submit(steps=20)
    assert work(service) == 1
    row = service.job(job_id)
    assert row.state == State.SUCCEEDED
    assert row.progress is not None
    assert (row.progress["phase"], row.progress["step"], row.progress["percent"]) == ("counting", 20, 100.0)
    assert row.progress["samples_per_second"] == 7.0
    assert service.weights(job_id) == expected_weights(20)
    states = [event.data["to"] for event in service.events(job_id, "state")]
    assert states == ["queued", "starting", "running", "succeeded"]
    assert [attempt.outcome for attempt in service.attempts(job_id)] == ["succeeded"]
    with reading(service.engine) as session:
        rows = checkpoints_of(session, job_id)
        assert [row.step for row in rows] == [20, 15], "the newest two, as the run asks"
        assert service.store.local_path(rows[0].location).is_dir()
    assert work(service) == 0


def test_jobs_are_done_one_after_another(service: Service) -> None:
    jobs = [service.submit(steps=3) for _ in range(3)]
    assert work(service) == 3
    assert [service.job(job_id).state for job_id in jobs] == ["succeeded"] * 3


def test_a_refusal_is_final(service: Service) -> None:
    job_id = service.submit(fault="refuse", at_step=2)
    assert work(service) == 1
    row = service.job(job_id)
    assert (row.state, row.status_reason, row.attempt) == ("failed", "data_unusable", 1)
    assert row.status_message == "This corpus is not fit to be counted."


def test_a_retry_goes_on_from_what_the_failed_job_saved(service: Service) -> None:
    job_id = service.submit(steps=20, fault="refuse", at_step=13)
    work(service)
    assert service.job(job_id).state == State.FAILED
    with transaction(service.engine) as session:
        old = session.get_one(JobRow, job_id)
        again = retry(session, old, SchedulingOptions())
        again.spec = {**old.spec, "overrides": {"steps": 20}}  # whatever was wrong is right now
    assert work(service) == 1
    assert service.job(again.id).state == State.SUCCEEDED
    assert service.weights(again.id) == expected_weights(20)
    said = [event.data["message"] for event in service.events(again.id, "log")]
    assert said == ["Resuming from the checkpoint of step 10."]


def test_the_service_keeps_what_the_run_asks_for(service: Service) -> None:
    job_id = service.submit(steps=20)
    with transaction(service.engine) as session:
        session.get_one(JobRow, job_id).resolved_spec = {
            "run": {"keep_checkpoints": 1, "keep_every_steps": 10},
            "steps": 20,
        }
    work(service)
    with reading(service.engine) as session:
        rows = checkpoints_of(session, job_id)
    assert [row.step for row in rows] == [20, 10]
    folders = service.store.attempt_folder(job_id, 1) / "checkpoints"
    assert sorted(path.name for path in folders.iterdir()) == ["step_00000010", "step_00000020"]


def test_a_job_is_stopped_at_its_deadline_and_its_checkpoint_stays(service: Service) -> None:
    job_id = service.submit(steps=100_000, step_seconds=0.02)
    with transaction(service.engine) as session:
        session.get_one(JobRow, job_id).deadline_at = now(session) + timedelta(seconds=6)
    work(service)
    row = service.job(job_id)
    assert (row.state, row.status_reason, row.attempt) == ("failed", "deadline_exceeded", 1)
    assert "Retry the job" in str(row.status_message)
    with reading(service.engine) as session:
        assert checkpoints_of(session, job_id)


def test_a_crash_is_tried_again_until_it_is_hopeless(service: Service) -> None:
    job_id = service.submit(fault="crash", at_step=2)
    row = work_until_final(service, job_id)
    assert (row.state, row.status_reason, row.attempt) == ("failed", "internal_error", 3)
    assert "Something broke." in str(row.status_message)


def test_a_killed_program_goes_on_from_its_checkpoint_and_ends_with_the_same_bytes(service: Service) -> None:
    job_id = service.submit(steps=30, fault="killed", at_step=17, until_attempt=2)
    row = work_until_final(service, job_id)
    assert (row.state, row.attempt, row.charged_attempts) == ("succeeded", 2, 1)
    assert service.weights(job_id) == expected_weights(30)
    assert "Resuming from the checkpoint of step 15." in _logs(service, job_id)
    first, second = service.attempts(job_id)
    assert (first.outcome, second.outcome) == ("worker_lost", "succeeded")
    assert "SIGKILL" in str(first.message)


def test_a_damaged_checkpoint_is_passed_over(service: Service) -> None:
    job_id = service.submit(steps=30, fault="killed", at_step=17, until_attempt=2)
    work(service)
    with reading(service.engine) as session:
        newest, before, *_ = checkpoints_of(session, job_id)
    file = service.store.local_path(newest.location) / "state.json"
    file.write_bytes(b"x" * file.stat().st_size)
    row = work_until_final(service, job_id)
    assert row.state == "succeeded"
    assert service.weights(job_id) == expected_weights(30)
    logs = _logs(service, job_id)
    assert f"Resuming from the checkpoint of step {before.step}." in logs
    assert any(f"Cannot resume from step {newest.step}" in message for message in logs)


def test_a_checkpoint_the_program_cannot_use_is_not_offered_again(service: Service) -> None:
    job_id = service.submit(steps=30, fault="killed", at_step=17, until_attempt=2, unusable_step=15)
    row = work_until_final(service, job_id)
    assert (row.state, row.attempt) == ("succeeded", 3)
    assert service.weights(job_id) == expected_weights(30)
    assert [attempt.outcome for attempt in service.attempts(job_id)][1] == "checkpoint_unusable"
    assert "Resuming from the checkpoint of step 10." in _logs(service, job_id)


def test_checkpoints_of_earlier_attempts_are_dropped_once_there_are_newer_ones(service: Service) -> None:
    job_id = service.submit(steps=30, fault="killed", at_step=17, until_attempt=2)
    work_until_final(service, job_id)
    with reading(service.engine) as session:
        rows = session.query(CheckpointRow).filter_by(job_id=job_id).all()
    assert {row.attempt for row in rows if row.deleted_at is None} == {2}
    first_attempt = service.store.attempt_folder(job_id, 1) / "checkpoints"
    assert not list(first_attempt.iterdir())


def test_a_silent_program_is_killed_and_tried_again(service: Service) -> None:
    job_id = service.submit(steps=8, fault="hang", at_step=7, until_attempt=2)
    row = work_until_final(service, job_id)
    assert (row.state, row.attempt) == ("succeeded", 2)
    assert service.attempts(job_id)[0].outcome == "stalled"


def test_a_missing_corpus_fails_the_job(service: Service) -> None:
    job_id = service.submit()
    service.store.corpus_folder("cor_1").rmdir()
    work(service)
    row = service.job(job_id)
    assert (row.state, row.status_reason) == ("failed", "data_missing")


def test_what_a_program_leaves_running_is_ended_with_it(service: Service) -> None:
    job_id = service.submit(steps=5, fault="orphan", at_step=2)
    assert work(service) == 1
    assert service.job(job_id).state == "succeeded"
    assert service.processes() == []


def test_the_last_words_of_a_crash_are_stored(service: Service) -> None:
    job_id = service.submit(fault="crash", at_step=2)
    work(service)
    assert log_of(service, job_id).rstrip().endswith("RuntimeError: Something broke.")


def test_a_killed_supervisor_leaves_its_programs_words_to_the_pool_child(service: Service) -> None:
    job_id = service.submit(fault="kill_supervisor", at_step=2)
    work(service)
    assert service.attempts(job_id)[0].outcome == "worker_lost"
    assert log_of(service, job_id) == "What is that knife for?\n"


def test_what_nobody_could_store_is_stored_by_the_next_attempt(service: Service) -> None:
    job_id = service.submit(steps=3)
    with transaction(service.engine) as session:
        claimed = claim(session, "wrk", lease_seconds=-1)  # everything is gone at once, as in a power cut
        assert claimed is not None
        reap(session, RetryPolicy(3, 0))
    folder = service.store.attempt_folder(job_id, 1)
    folder.mkdir(parents=True)
    (folder / "program.log").write_bytes(b"The lights flick")
    assert work_until_final(service, job_id).state == "succeeded"
    assert log_of(service, job_id, attempt=1) == "The lights flick"
    assert log_of(service, job_id, attempt=2) == ""


def log_of(service: Service, job_id: str, *, attempt: int = 1) -> str:
    """What is stored of an attempt's standard error."""
    with reading(service.engine) as session:
        page = read_log(session, job_id, attempt=attempt, max_bytes=2**24)
    assert page is not None
    assert page.is_over
    return "".join(piece.text for piece in page.pieces)


def _logs(service: Service, job_id: str) -> list[str]:
    return [event.data["message"] for event in service.events(job_id, "log")]
