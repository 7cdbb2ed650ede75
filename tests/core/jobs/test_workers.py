"""The registry of workers."""

from datetime import timedelta

from sqlalchemy import Engine

from core.jobs import workers
from core.jobs.database import now, transaction
from core.jobs.tables.jobs import JobRow, WorkerRow
from core.jobs.workers import Capacity
from tests.core.jobs.arranging import claim_next, queue, set_fields


def test_a_worker_is_idle_until_it_claims_and_once_it_is_silent_it_is_not(engine: Engine) -> None:
    with transaction(engine) as session:
        workers.heartbeat(session, "wrk", host="here", process_id=7, capacity=Capacity())
        workers.heartbeat(session, "other", host="there", process_id=8, capacity=Capacity())
        workers.heartbeat(session, "wrk", host="here", process_id=9, capacity=Capacity())
        assert len(workers.idle(session, seen_within_seconds=10)) == 2
        assert session.get_one(WorkerRow, "wrk").process_id == 9
        session.get_one(WorkerRow, "other").seen_at = now(session) - timedelta(seconds=11)
        session.flush()
        assert len(workers.idle(session, seen_within_seconds=10)) == 1
    queue(engine)
    claim_next(engine)  # in the name of "wrk"
    with transaction(engine) as session:
        assert workers.idle(session, seen_within_seconds=10) == []


def test_what_a_worker_does_and_when_it_was_heard_of(engine: Engine) -> None:
    with transaction(engine) as session:
        workers.heartbeat(session, "wrk", host="here", process_id=7, capacity=Capacity())
        session.get_one(WorkerRow, "wrk").seen_at = now(session) - timedelta(hours=1)
    with transaction(engine) as session:
        workers.set_job(session, "wrk", "job_1")
        session.expire_all()
        row = session.get_one(WorkerRow, "wrk")
        assert row.job_id == "job_1"
        assert row.seen_at > now(session) - timedelta(minutes=1)
        workers.renew_heartbeat(session, "nobody")  # not registered: no row is made
        workers.retire(session, "wrk")
        workers.retire(session, "wrk")
        assert session.query(WorkerRow).count() == 0


def test_a_job_that_no_worker_can_do_says_what_it_waits_for(engine: Engine) -> None:
    wide = queue(engine, resolved={"run": {"num_devices": 4, "device": "cuda"}})
    narrow = queue(engine)
    with transaction(engine) as session:
        rows = {job_id: session.get_one(JobRow, job_id) for job_id in (wide, narrow)}
        assert "none is up" in str(workers.why_unclaimable(rows[narrow], workers.running_workers(session)))
        workers.heartbeat(session, "cpu", host="here", process_id=7, capacity=Capacity("cpu", 8))
        assert workers.why_unclaimable(rows[narrow], workers.running_workers(session)) is None
        said = str(workers.why_unclaimable(rows[wide], workers.running_workers(session)))
        assert "4 cuda" in said
        assert "8 cpu" in said
        assert said.endswith("submit it with run.device=auto.")
        workers.heartbeat(session, "small", host="here", process_id=9, capacity=Capacity("cuda", 2))
        said = str(workers.why_unclaimable(rows[wide], workers.running_workers(session)))
        assert said.endswith("submit it with a lower run.num_devices.")
        workers.heartbeat(session, "gpu", host="here", process_id=8, capacity=Capacity("cuda", 4))
        assert workers.why_unclaimable(rows[wide], workers.running_workers(session)) is None


def test_a_job_of_a_kind_that_no_worker_knows_says_so(engine: Engine) -> None:
    newer = queue(engine)
    set_fields(engine, newer, kind="newer")
    with transaction(engine) as session:
        row = session.get_one(JobRow, newer)
        workers.heartbeat(session, "old", host="here", process_id=7, capacity=Capacity())
        said = str(workers.why_unclaimable(row, workers.running_workers(session)))
        assert "knows the job kind 'newer'; no running worker does" in said
        (capacity,) = workers.idle(session, seen_within_seconds=10)
        assert not capacity.fits(row), "so no doorbell rings for it"
        upgraded = Capacity(kinds=frozenset({"newer"}))
        workers.heartbeat(session, "new", host="here", process_id=8, capacity=upgraded)
        assert workers.why_unclaimable(row, workers.running_workers(session)) is None


def test_a_worker_that_reports_no_kinds_claims_any(engine: Engine) -> None:
    newer = queue(engine)
    set_fields(engine, newer, kind="newer")
    with transaction(engine) as session:
        workers.heartbeat(session, "0.1.0", host="here", process_id=7, capacity=Capacity(kinds=None))
        job = session.get_one(JobRow, newer)
        assert workers.why_unclaimable(job, workers.running_workers(session)) is None
