"""Reports of a lease holder: what they write, and that they write nothing without the lease."""

import math
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.errors import LeaseLost
from core.jobs.database import reading, transaction
from core.jobs.ledger import outcomes, reports
from core.jobs.ledger.fence import Lease
from core.jobs.ledger.job_logs import append_log
from core.jobs.ledger.reports import Point
from core.jobs.ledger.submissions import metrics_of
from core.jobs.states import Reason, State
from core.jobs.tables.artifacts import CheckpointRow
from core.jobs.tables.base import Tables
from tests.core.jobs.arranging import POLICY, claim_next, events, expire, hold, job, set_fields

ENCODER = outcomes.EncoderFile("enc_1", "encoders/enc_1", "ab", 3, {})
WRITES: dict[str, Callable[[Session, Lease], object]] = {
    "started": reports.report_started,
    "progress": lambda session, lease: reports.report_progress(session, lease, {"step": 1}),
    "metrics": lambda session, lease: reports.record_metrics(session, lease, [Point(1, {"loss": 1.0})]),
    "log": lambda session, lease: reports.report_log(session, lease, "hello"),
    "checkpoint": lambda session, lease: reports.commit_checkpoint(
        session, lease, step=1, location="a", manifest={}, size_bytes=1
    ),
    "program log": lambda session, lease: append_log(
        session, lease, b"hello", attempt=1, offset=0, max_bytes_per_job=2**20
    ),
    "deleted": lambda session, lease: reports.mark_checkpoints_deleted(session, lease, ["ckp_none"]),
    "fail": lambda session, lease: outcomes.fail(session, lease, reason=Reason.USER_ERROR, message="no"),
    "requeue": lambda session, lease: outcomes.requeue(
        session, lease, charged=True, reason=Reason.WORKER_LOST, message="no", policy=POLICY
    ),
    "cancelled": outcomes.confirm_cancelled,
    "paused": outcomes.confirm_paused,
    "import": lambda session, lease: outcomes.succeed_import(
        session, lease, corpus_id="cor_1", location="c", size_bytes=3, result={"digest": "d"}
    ),
    "pretrain": lambda session, lease: outcomes.succeed_pretrain(session, lease, encoder=ENCODER, result={}),
    "evaluate": lambda session, lease: outcomes.succeed_evaluate(session, lease, result={"scores": {}}),
}


@pytest.mark.parametrize("situation", ["token", "attempt", "reaped", "succeeded", "reclaimed"])
def test_no_write_passes_the_fence(engine: Engine, situation: str) -> None:
    claimed = hold(engine)
    lease = claimed.lease
    if situation == "token":
        lease = Lease(lease.job_id, lease.attempt, "stale")
    elif situation == "attempt":
        lease = Lease(lease.job_id, lease.attempt + 1, lease.token)
    elif situation == "succeeded":
        set_fields(engine, lease.job_id, state=State.SUCCEEDED)
    else:
        expire(engine, claimed)
        with transaction(engine) as session:
            outcomes.requeue(session, lease, charged=False, reason=Reason.DRAINED, message="", policy=POLICY)
        if situation == "reclaimed":
            assert claim_next(engine) is not None
    before = _everything(engine)
    for write in WRITES.values():
        with pytest.raises(LeaseLost), transaction(engine) as session:
            write(session, lease)
    assert _everything(engine) == before


def test_the_first_sign_of_life_starts_the_job_once(engine: Engine) -> None:
    claimed = hold(engine, state=State.STARTING)
    for _ in range(2):
        with transaction(engine) as session:
            reports.report_started(session, claimed.lease)
    row = job(engine, claimed.job_id)
    assert row.state == "running"
    assert row.started_at is not None
    assert len(events(engine, claimed.job_id, "state")) == 3


def test_progress_stands_in_the_job_and_in_an_event(engine: Engine) -> None:
    claimed = hold(engine)
    document = {"phase": "training", "step": 3, "metrics": {"loss": math.inf, "accuracy": 0.5}}
    with transaction(engine) as session:
        reports.report_progress(session, claimed.lease, document)
    expected = {"phase": "training", "step": 3, "metrics": {"loss": None, "accuracy": 0.5}}
    assert job(engine, claimed.job_id).progress == expected
    assert events(engine, claimed.job_id, "progress")[-1].data == expected


def test_metrics_are_replaced_by_a_later_attempt_and_keep_to_what_is_finite(engine: Engine) -> None:
    claimed = hold(engine)
    with transaction(engine) as session:
        points = [Point(1, {"loss": 4.0}), Point(2, {"loss": math.nan, "accuracy": 0.25})]
        reports.record_metrics(session, claimed.lease, points)
        outcomes.requeue(
            session, claimed.lease, charged=False, reason=Reason.DRAINED, message="", policy=POLICY
        )
    again = claim_next(engine)
    assert again is not None
    with transaction(engine) as session:
        reports.record_metrics(session, again.lease, [Point(1, {"loss": 3.0}), Point(1, {"loss": 2.0})])
    with reading(engine) as session:
        rows = metrics_of(session, claimed.job_id)
        assert [(row.name, row.step, row.value, row.attempt) for row in rows] == [
            ("loss", 1, 2.0, 2),
            ("accuracy", 2, 0.25, 1),
        ]
    assert events(engine, claimed.job_id, "metric")[0].data == {
        "step": 2,
        "metrics": {"loss": None, "accuracy": 0.25},
    }


@pytest.mark.parametrize("state", [State.RUNNING, State.CANCELLING, State.PAUSING])
def test_a_checkpoint_is_committed_while_the_job_is_held(engine: Engine, state: State) -> None:
    claimed = hold(engine, state=state)
    for location in ("first", "second"):
        with transaction(engine) as session:
            reports.commit_checkpoint(
                session, claimed.lease, step=7, location=location, manifest={"step": 7}, size_bytes=2**33
            )
    with reading(engine) as session:
        row = session.query(CheckpointRow).one()
        assert (row.step, row.attempt, row.location, row.size_bytes) == (7, 1, "second", 2**33)
    data = {"id": row.id, "step": 7, "size_bytes": 2**33}
    assert [event.data for event in events(engine, claimed.job_id, "checkpoint")] == [data, data]


def test_checkpoints_come_newest_first_without_those_deleted(engine: Engine) -> None:
    claimed = hold(engine)
    with transaction(engine) as session:
        for step in (5, 15, 10):
            reports.commit_checkpoint(
                session, claimed.lease, step=step, location=f"{step}", manifest={}, size_bytes=1
            )
        newest = reports.checkpoints_of(session, claimed.job_id)[0]
        reports.mark_checkpoints_deleted(session, claimed.lease, [newest.id])
        assert [row.step for row in reports.checkpoints_of(session, claimed.job_id)] == [10, 5]


def test_events_of_concurrent_writers_have_no_gaps(engine: Engine) -> None:
    claimed = hold(engine)

    def write() -> None:
        for number in range(5):
            with transaction(engine) as session:
                reports.report_log(session, claimed.lease, f"{number}")

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sequences = [event.sequence for event in events(engine, claimed.job_id)]
    assert sequences == list(range(1, 34))
    assert job(engine, claimed.job_id).last_event == 33


def _everything(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(table.select())]
            for table in Tables.metadata.sorted_tables
        }
