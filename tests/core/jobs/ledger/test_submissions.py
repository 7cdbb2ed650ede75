"""Job operations of the API: submit, cancel, pause, resume, retry, queue order, reads."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.errors import ImpossibleTransition
from core.jobs.database import open_database, reading, transaction
from core.jobs.ledger.leases import claim
from core.jobs.ledger.queue_order import queue_order
from core.jobs.ledger.reports import Point, record_metrics
from core.jobs.ledger.submissions import (
    cancel,
    events_after,
    metrics_of,
    pause,
    resume,
    retry,
    submit,
)
from core.jobs.scheduling import SchedulingOptions
from core.jobs.states import FINAL, State
from core.jobs.tables.jobs import JobRow, OutboxRow
from tests.core.jobs.arranging import SPEC, claim_next, events, hold, job, queue, set_fields


def test_a_job_and_its_doorbell_appear_together_or_not_at_all(engine: Engine) -> None:
    with transaction(engine) as session:
        submit(session, owner="ada", spec=SPEC, resolved={"recipe": "stc"})
        session.rollback()
    with reading(engine) as session:
        assert (session.query(JobRow).count(), session.query(OutboxRow).count()) == (0, 0)
    job_id = queue(engine)
    row = job(engine, job_id)
    assert (row.state, row.kind, row.attempt, row.version) == ("queued", "pretrain", 0, 1)
    assert row.spec == SPEC.model_dump(mode="json")
    with reading(engine) as session:
        assert session.get_one(OutboxRow, job_id).rings == 0


@pytest.mark.parametrize(
    ("ask", "origin", "target"),
    [
        (cancel, State.QUEUED, State.CANCELLED),
        (cancel, State.PAUSED, State.CANCELLED),
        (cancel, State.STARTING, State.CANCELLING),
        (cancel, State.RUNNING, State.CANCELLING),
        (cancel, State.PAUSING, State.CANCELLING),
        (cancel, State.CANCELLING, State.CANCELLING),
        (cancel, State.CANCELLED, State.CANCELLED),
        (pause, State.STARTING, State.PAUSING),
        (pause, State.RUNNING, State.PAUSING),
        (pause, State.PAUSING, State.PAUSING),
        (pause, State.PAUSED, State.PAUSED),
        (resume, State.PAUSED, State.QUEUED),
        (resume, State.QUEUED, State.QUEUED),
        (resume, State.STARTING, State.STARTING),
        (resume, State.RUNNING, State.RUNNING),
    ],
)
def test_asking(
    engine: Engine, ask: Callable[[Session, JobRow], JobRow], origin: State, target: State
) -> None:
    job_id = queue(engine)
    set_fields(engine, job_id, state=origin)
    for _ in range(2):  # repeating is harmless
        with transaction(engine) as session:
            assert ask(session, session.get_one(JobRow, job_id)).state == target
    assert len(events(engine, job_id)) == (1 if origin == target else 2)


@pytest.mark.parametrize(
    ("ask", "origin"),
    [
        *[(cancel, state) for state in sorted(FINAL - {State.CANCELLED})],
        *[(pause, state) for state in sorted(FINAL | {State.QUEUED, State.CANCELLING})],
        *[(resume, state) for state in sorted(FINAL | {State.PAUSING, State.CANCELLING})],
    ],
)
def test_asking_the_impossible(
    engine: Engine, ask: Callable[[Session, JobRow], JobRow], origin: State
) -> None:
    job_id = queue(engine)
    set_fields(engine, job_id, state=origin)
    with transaction(engine) as session:
        row = session.get_one(JobRow, job_id)
        with pytest.raises(ImpossibleTransition, match=f"is {origin}") as refusal:
            ask(session, row)
    assert refusal.value.state == origin
    assert len(events(engine, job_id)) == 1


@pytest.mark.parametrize("origin", sorted(FINAL))
def test_a_retry_is_a_new_job_that_names_the_old_one(engine: Engine, origin: State) -> None:
    old = queue(engine, resolved={"run": {"num_devices": 2}})
    set_fields(engine, old, state=origin)
    with transaction(engine) as session:
        row = session.get_one(JobRow, old)
        new = retry(session, row, SchedulingOptions(priority=-3, deadline_seconds=60))
        assert retry(session, row, SchedulingOptions()).id == new.id != old
        assert (new.state, new.retry_of, new.spec, new.num_devices) == ("queued", old, row.spec, 2)
        assert (new.priority, new.owner, new.attempt) == (-3, row.owner, 0)
        assert new.deadline_at is not None
    assert [event.data["to"] for event in events(engine, new.id)] == ["queued"]
    assert claim_next(engine) is not None


@pytest.mark.parametrize("origin", sorted(set(State) - FINAL))
def test_what_has_not_ended_cannot_be_retried(engine: Engine, origin: State) -> None:
    job_id = queue(engine)
    set_fields(engine, job_id, state=origin)
    with transaction(engine) as session:
        row = session.get_one(JobRow, job_id)
        with pytest.raises(ImpossibleTransition, match=f"is {origin}"):
            retry(session, row, SchedulingOptions())
        assert session.query(JobRow).count() == 1


def test_a_cancelled_job_is_never_claimed_and_its_doorbell_is_gone(engine: Engine) -> None:
    job_id = queue(engine)
    with transaction(engine) as session:
        cancel(session, session.get_one(JobRow, job_id))
    assert claim_next(engine) is None
    with reading(engine) as session:
        assert session.get(OutboxRow, job_id) is None


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), min_size=1, max_size=8))
def test_position_one_is_the_next_claim(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, jobs: list[tuple[str, int]]
) -> None:
    file = shutil.copy(migrated_sqlite, tmp_path_factory.mktemp("queue"))
    engine = open_database(f"sqlite:///{file}")
    ids = [queue(engine, owner=owner, priority=priority) for owner, priority in jobs]
    for left in range(len(ids), 0, -1):
        with transaction(engine) as session:
            order = queue_order(session)
            rows = [session.get_one(JobRow, job_id) for job_id in ids]
            places = {row.id: order.place_of(row) for row in rows if row.state == State.QUEUED}
            assert sorted(places.values()) == list(range(1, left + 1))
            claimed = claim(session, "wrk", 60)
        assert claimed is not None
        assert places[claimed.job_id] == 1
    engine.dispose()


def test_a_running_job_has_no_position(engine: Engine) -> None:
    hold(engine)
    with reading(engine) as session:
        assert queue_order(session).ranks == []


def test_events_and_metrics_come_in_order_and_in_pages(engine: Engine) -> None:
    claimed = hold(engine)
    with transaction(engine) as session:
        points = [Point(step, {"loss": 1 / step, "accuracy": step / 9}) for step in (1, 2, 3)]
        record_metrics(session, claimed.lease, points)
    with reading(engine) as session:
        page = events_after(session, claimed.job_id, 1, 2)
        assert [event.sequence for event in page] == [2, 3]
        losses = metrics_of(session, claimed.job_id, name="loss", after_step=1)
        assert [(row.step, row.value) for row in losses] == [(2, 1 / 2), (3, 1 / 3)]
        assert [row.name for row in metrics_of(session, claimed.job_id, limit=3)] == [
            "accuracy",
            "loss",
            "accuracy",
        ]
