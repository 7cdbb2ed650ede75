"""Shortens stored waits that a clock, set back since, made longer: of jobs, doorbells and webhook messages.

A wait is stored as the time at which it ends. If the clock is set back by two hours, it lasts two hours more.
So no wait may end later than a full one that begins now. Only waits are shortened: leases, deadlines and the
expiry of keys stay as they are, since other hosts rely on them.
"""

from datetime import datetime, timedelta
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.ledger.fence import RetryPolicy
from core.jobs.ledger.outbox import LONGEST_WAIT_SECONDS
from core.jobs.states import State
from core.jobs.tables.access import WebhookDeliveryRow
from core.jobs.tables.jobs import JobRow, OutboxRow
from core.jobs.webhooks.deliveries import VISIBILITY_TIMEOUT_SECONDS, wait_after

_AT_MOST_LATE = timedelta(seconds=max(LONGEST_WAIT_SECONDS, VISIBILITY_TIMEOUT_SECONDS))
"""Waits that end sooner than this are left alone, so that few rows are read."""


def clamp_waits(session: Session, policy: RetryPolicy, random: Random) -> int:
    """Shorten each wait that is longer than it was meant to be. Returns the number of waits."""
    at = now(session)
    return _clamp_jobs(session, policy, at) + _clamp_messages(session, random, at)


def _clamp_jobs(session: Session, policy: RetryPolicy, at: datetime) -> int:
    late = OutboxRow.ring_at > at + _AT_MOST_LATE
    waiting = select(OutboxRow, JobRow).join(JobRow, JobRow.id == OutboxRow.job_id).where(late)
    of_outbox = waiting.where(JobRow.state == State.QUEUED).with_for_update(skip_locked=True)
    clamped = 0
    for doorbell, job in session.execute(of_outbox):
        latest = at + (policy.wait(job.charged_attempts) if job.charged_attempts else timedelta())
        if job.not_before is not None and job.not_before > latest:
            job.not_before = latest
        if doorbell.ring_at > latest:
            doorbell.ring_at = latest
            clamped += 1
    session.flush()
    return clamped


def _clamp_messages(session: Session, random: Random, at: datetime) -> int:
    late = select(WebhookDeliveryRow).where(WebhookDeliveryRow.next_at > at + _AT_MOST_LATE)
    clamped = 0
    for message in session.scalars(late.with_for_update(skip_locked=True)):
        latest = at + (wait_after(message.attempts, random) if message.attempts else timedelta())
        if message.next_at is not None and message.next_at > latest + _AT_MOST_LATE:
            message.next_at = latest
            clamped += 1
    session.flush()
    return clamped
