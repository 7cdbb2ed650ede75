"""A clock that was set back makes no wait longer than a full one, and touches no lease."""

from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Engine

from core.jobs.clamped_waits import clamp_waits
from core.jobs.database import now, reading, transaction
from core.jobs.ledger import outbox
from core.jobs.ledger.fence import RetryPolicy
from core.jobs.ledger.outcomes import requeue
from core.jobs.states import Reason
from core.jobs.tables.access import WebhookDeliveryRow
from core.jobs.tables.jobs import JobRow, OutboxRow
from core.jobs.webhooks.deliveries import take
from core.jobs.webhooks.notifying import TEST, add_message, create_webhook
from tests.core.jobs.arranging import claim_next, hold, job, queue

HOURS = timedelta(hours=2)
POLICY = RetryPolicy(max_attempts=9, backoff_seconds=100.0)


def clamp(engine: Engine) -> int:
    with transaction(engine) as session:
        return clamp_waits(session, POLICY, Random(0))


def set_the_clock_back(engine: Engine) -> None:
    """All that is stored lies two hours further ahead."""
    with transaction(engine) as session:
        for row in session.query(JobRow):
            row.not_before = row.not_before and row.not_before + HOURS
            row.lease_expires_at = row.lease_expires_at and row.lease_expires_at + HOURS
        for doorbell in session.query(OutboxRow):
            doorbell.ring_at += HOURS
        for message in session.query(WebhookDeliveryRow):
            message.next_at = message.next_at and message.next_at + HOURS


def in_backoff(engine: Engine) -> str:
    claimed = hold(engine)
    with transaction(engine) as session:
        requeue(
            session, claimed.lease, charged=True, reason=Reason.WORKER_LOST, message="lost", policy=POLICY
        )
    return claimed.job_id


def test_a_job_in_backoff_waits_for_one_full_backoff(engine: Engine) -> None:
    job_id = in_backoff(engine)
    set_the_clock_back(engine)
    assert clamp(engine) == 1
    with reading(engine) as session:
        left = session.get_one(JobRow, job_id).not_before - now(session)  # type: ignore[operator]
        rings_in = session.get_one(OutboxRow, job_id).ring_at - now(session)
    assert timedelta(seconds=60) < left <= timedelta(seconds=100)
    assert timedelta(seconds=60) < rings_in <= timedelta(seconds=100)
    assert clamp(engine) == 0
    assert claim_next(engine) is None


def test_a_job_that_waits_for_nothing_rings_at_once(engine: Engine) -> None:
    job_id = queue(engine)
    set_the_clock_back(engine)
    with reading(engine) as session:
        assert outbox.due(session) == []
    assert clamp(engine) == 1
    with reading(engine) as session:
        assert [row.job_id for row, _ in outbox.due(session)] == [job_id]


@pytest.mark.parametrize("attempts", [0, 1])
def test_a_webhook_message_is_sent_again_in_time(engine: Engine, attempts: int) -> None:
    with transaction(engine) as session:
        webhook = create_webhook(session, owner="ada", url="https://example.org/")
        message = add_message(session, webhook.id, TEST, {}, at=now(session))
        message.attempts = attempts
    set_the_clock_back(engine)
    with transaction(engine) as session:
        assert take(session, webhook.id) is None
    assert clamp(engine) == 1
    with reading(engine) as session:
        found = session.get_one(WebhookDeliveryRow, message.id).next_at
        assert found is not None
        assert found - now(session) <= timedelta(seconds=attempts * 7)


def test_usual_waits_and_every_lease_stay_as_they_are(engine: Engine) -> None:
    waits, held = in_backoff(engine), hold(engine)
    before = [job(engine, each).not_before for each in (waits, held.job_id)]
    assert clamp(engine) == 0
    assert [job(engine, each).not_before for each in (waits, held.job_id)] == before
    set_the_clock_back(engine)
    lease = job(engine, held.job_id).lease_expires_at
    assert clamp(engine) == 1
    assert job(engine, held.job_id).lease_expires_at == lease
