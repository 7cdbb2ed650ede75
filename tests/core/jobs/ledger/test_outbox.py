"""Doorbells: due at once, resent with backoff, deleted by the claim."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from core.jobs.database import now, transaction
from core.jobs.ledger.outbox import LONGEST_WAIT_SECONDS, due, rung
from core.jobs.tables.jobs import OutboxRow
from tests.core.jobs.arranging import claim_next, queue


def test_a_doorbell_is_due_at_once_and_in_order(engine: Engine) -> None:
    jobs = [queue(engine) for _ in range(3)]
    with transaction(engine) as session:
        assert [job.id for _, job in due(session)] == jobs
        assert [job.id for _, job in due(session, limit=2)] == jobs[:2]


def test_it_rings_again_ever_less_often(engine: Engine) -> None:
    job_id = queue(engine)
    waits = []
    for _ in range(6):
        with transaction(engine) as session:
            rung(session, job_id, ring_again_seconds=5.0)
            waits.append((session.get_one(OutboxRow, job_id).ring_at - now(session)).total_seconds())
            assert due(session) == []
    assert waits == pytest.approx([5, 10, 20, 40, LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS], abs=1)


def test_a_doorbell_whose_time_has_come_is_due_again(engine: Engine) -> None:
    job_id = queue(engine)
    with transaction(engine) as session:
        rung(session, job_id, ring_again_seconds=5.0)
        session.get_one(OutboxRow, job_id).ring_at = now(session) - timedelta(seconds=1)
        session.flush()
        assert [(row.job_id, row.rings) for row, _ in due(session)] == [(job_id, 1)]


def test_a_claim_takes_the_doorbell_away_and_ringing_it_is_harmless(engine: Engine) -> None:
    job_id = queue(engine)
    assert claim_next(engine) is not None
    with transaction(engine) as session:
        rung(session, job_id, ring_again_seconds=5.0)
        assert due(session) == []
        assert session.get(OutboxRow, job_id) is None
