"""Webhook deliveries: take due messages, record results, retry with exponential backoff, disable webhooks.

A message that is being sent is hidden for a visibility timeout. If its sender dies, it becomes due again and
is sent with the same id, which receivers use for deduplication.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.jobs.database import now, storable
from core.jobs.tables.access import WebhookDeliveryRow, WebhookRow
from core.jobs.webhooks.notifying import TEST, DeliveryState
from core.program.backoff import exponential_wait

VISIBILITY_TIMEOUT_SECONDS = 120.0
"""Longer than any delivery attempt can take."""
_FIRST_WAIT_SECONDS = 5.0
_GROWTH = 3.0
_MAX_WAIT_SECONDS = 86_400.0
_GONE = 410
"""Status by which a receiver unsubscribes (Standard Webhooks)."""


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to send now."""

    id: str
    webhook_id: str
    attempt: int
    url: str
    body: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """The result of an attempt: the receiver's status, or the error."""

    status: int | None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver accepted the message."""
        return self.status is not None and 200 <= self.status < 300


def waiting(session: Session, *, limit: int = 100) -> Sequence[tuple[str, str]]:
    """Ids and owners of webhooks with due messages, longest due first."""
    due = (
        select(WebhookDeliveryRow.webhook_id, func.min(WebhookDeliveryRow.next_at).label("since"))
        .where(WebhookDeliveryRow.next_at <= now(session))
        .group_by(WebhookDeliveryRow.webhook_id)
        .subquery()
    )
    these = select(WebhookRow.id, WebhookRow.owner).join(due, due.c.webhook_id == WebhookRow.id)
    return [(webhook, owner) for webhook, owner in session.execute(these.order_by(due.c.since).limit(limit))]


def take(session: Session, webhook_id: str) -> OutgoingMessage | None:
    """Take the longest due message of a webhook and hide it for the visibility timeout."""
    at = now(session)
    due = select(WebhookDeliveryRow).where(
        WebhookDeliveryRow.webhook_id == webhook_id, WebhookDeliveryRow.next_at <= at
    )
    first = due.order_by(WebhookDeliveryRow.next_at, WebhookDeliveryRow.id).limit(1)
    row = session.scalars(first.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return None
    webhook = session.get_one(WebhookRow, webhook_id)
    if webhook.deleted_at is not None:  # the job changed while it was being deleted
        session.delete(row)
        return None
    row.attempts += 1
    row.attempted_at, row.next_at = at, at + timedelta(seconds=VISIBILITY_TIMEOUT_SECONDS)
    session.flush()
    body = json.dumps(row.payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return OutgoingMessage(row.id, webhook_id, row.attempts, webhook.url, body, _secrets_of(webhook, at))


def record(
    session: Session, outgoing: OutgoingMessage, result: Result, *, patience: timedelta, random: Random
) -> None:
    """Record the result of sending `outgoing`: delivered, retried later, or given up.

    A message is given up after `patience`. A webhook that has failed for that long is disabled. A test
    message is sent once. Its failure does not count, and its success enables a disabled webhook.
    """
    webhook = session.get_one(WebhookRow, outgoing.webhook_id, with_for_update=True)
    row = session.get(WebhookDeliveryRow, outgoing.id, with_for_update=True)
    if row is None or row.attempts != outgoing.attempt or row.state != DeliveryState.PENDING:
        return  # deleted, or sent by another process since
    at = now(session)
    row.status, row.error = result.status, result.error and storable(result.error)
    if result.succeeded:
        row.state, row.next_at, row.delivered_at = DeliveryState.DELIVERED, None, at
        webhook.failing_since = webhook.disabled_at = webhook.disabled_reason = None
    elif row.type == TEST:
        row.state, row.next_at = DeliveryState.FAILED, None
    else:
        _postpone(row, at, patience, random)
        _count_failure(session, webhook, result, at, patience)
    session.flush()


def prune(session: Session, *, older_than: timedelta) -> int:
    """Delete finished messages older than `older_than`. Returns their number."""
    old = (WebhookDeliveryRow.next_at.is_(None), WebhookDeliveryRow.created_at < now(session) - older_than)
    gone = session.execute(delete(WebhookDeliveryRow).where(*old).returning(WebhookDeliveryRow.id))
    return len(gone.all())


def wait_after(attempts: int, random: Random) -> timedelta:
    """The exponential backoff after that many attempts, with jitter of ± 25 %.

    It starts at about 5 s and triples each time, up to a day.
    """
    first = _FIRST_WAIT_SECONDS * random.uniform(0.75, 1.25)
    seconds = exponential_wait(
        attempts, first_seconds=first, longest_seconds=_MAX_WAIT_SECONDS, growth=_GROWTH
    )
    return timedelta(seconds=seconds)


def _postpone(row: WebhookDeliveryRow, at: datetime, patience: timedelta, random: Random) -> None:
    row.next_at = at + wait_after(row.attempts, random)
    if row.next_at > row.created_at + patience:
        row.state, row.next_at = DeliveryState.FAILED, None


def _count_failure(
    session: Session, webhook: WebhookRow, result: Result, at: datetime, patience: timedelta
) -> None:
    webhook.failing_since = webhook.failing_since or at
    if result.status == _GONE:
        reason = "The receiver responded with status 410, which unsubscribes it."
    elif at - webhook.failing_since >= patience:
        reason = f"All deliveries have failed since {webhook.failing_since:%Y-%m-%d %H:%M} UTC."
    else:
        return
    webhook.disabled_at, webhook.disabled_reason = at, f"{reason} Send a test message to enable it again."
    pending = (WebhookDeliveryRow.webhook_id == webhook.id, WebhookDeliveryRow.state == DeliveryState.PENDING)
    given_up = {"state": DeliveryState.FAILED, "next_at": None}
    session.execute(update(WebhookDeliveryRow).where(*pending).values(**given_up))


def _secrets_of(webhook: WebhookRow, at: datetime) -> tuple[str, ...]:
    if webhook.old_secret and webhook.old_secret_until and webhook.old_secret_until > at:
        return (webhook.secret, webhook.old_secret)
    return (webhook.secret,)
