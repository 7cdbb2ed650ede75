"""Sending the messages of webhooks: which are due, who sends one now, and what came of it.

A message that is being sent is out of sight for a while. If its sender dies it comes back and is sent again
under the same id, by which receivers tell a double.
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

OUT_OF_SIGHT_SECONDS = 120.0
"""Longer than any sending may take."""
_FIRST_WAIT_SECONDS = 5.0
_GROWTH = 3.0
_LONGEST_WAIT_SECONDS = 86_400.0
_GONE = 410
"""With this status a receiver says that it wants no more (Standard Webhooks)."""


@dataclass(frozen=True)
class Parcel:
    """A message to send now."""

    id: str
    webhook_id: str
    attempt: int
    url: str
    body: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What came of an attempt: the receiver's status, or why there is none."""

    status: int | None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took the message."""
        return self.status is not None and 200 <= self.status < 300


def waiting(session: Session, *, limit: int = 100) -> Sequence[tuple[str, str]]:
    """The webhooks that have a message due, with their owners, longest due first."""
    due = (
        select(WebhookDeliveryRow.webhook_id, func.min(WebhookDeliveryRow.next_at).label("since"))
        .where(WebhookDeliveryRow.next_at <= now(session))
        .group_by(WebhookDeliveryRow.webhook_id)
        .subquery()
    )
    these = select(WebhookRow.id, WebhookRow.owner).join(due, due.c.webhook_id == WebhookRow.id)
    return [(webhook, owner) for webhook, owner in session.execute(these.order_by(due.c.since).limit(limit))]


def take(session: Session, webhook_id: str) -> Parcel | None:
    """The message of a webhook that is due for longest; nobody else gets it for a while."""
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
    row.attempted_at, row.next_at = at, at + timedelta(seconds=OUT_OF_SIGHT_SECONDS)
    session.flush()
    body = json.dumps(row.payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return Parcel(row.id, webhook_id, row.attempts, webhook.url, body, _secrets_of(webhook, at))


def record(session: Session, parcel: Parcel, result: Result, *, patience: timedelta, random: Random) -> None:
    """Note what came of sending `parcel`: done, to be sent again later, or given up.

    A message is given up after `patience`; a webhook that has failed for so long is disabled. A test message
    is sent once, counts for nothing when it fails, and enables a disabled webhook again when it arrives.
    """
    webhook = session.get_one(WebhookRow, parcel.webhook_id, with_for_update=True)
    row = session.get(WebhookDeliveryRow, parcel.id, with_for_update=True)
    if row is None or row.attempts != parcel.attempt or row.state != DeliveryState.PENDING:
        return  # deleted, or somebody else has sent it since
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
    """Delete what the log says about messages that were done with long ago; returns how many."""
    old = (WebhookDeliveryRow.next_at.is_(None), WebhookDeliveryRow.created_at < now(session) - older_than)
    gone = session.execute(delete(WebhookDeliveryRow).where(*old).returning(WebhookDeliveryRow.id))
    return len(gone.all())


def wait_after(attempts: int, random: Random) -> timedelta:
    """How long a message waits after so many attempts: about 5 s, then three times as long each time, at most
    a day; up to a quarter less or more, so that those which failed together do not come back together.
    """
    first = _FIRST_WAIT_SECONDS * random.uniform(0.75, 1.25)
    seconds = exponential_wait(
        attempts, first_seconds=first, longest_seconds=_LONGEST_WAIT_SECONDS, growth=_GROWTH
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
        reason = "The receiver answered 410: it wants no more."
    elif at - webhook.failing_since >= patience:
        reason = f"Nothing has arrived since {webhook.failing_since:%Y-%m-%d %H:%M} UTC."
    else:
        return
    webhook.disabled_at, webhook.disabled_reason = at, f"{reason} Send it a test message to enable it again."
    pending = (WebhookDeliveryRow.webhook_id == webhook.id, WebhookDeliveryRow.state == DeliveryState.PENDING)
    given_up = {"state": DeliveryState.FAILED, "next_at": None}
    session.execute(update(WebhookDeliveryRow).where(*pending).values(**given_up))


def _secrets_of(webhook: WebhookRow, at: datetime) -> tuple[str, ...]:
    if webhook.old_secret and webhook.old_secret_until and webhook.old_secret_until > at:
        return (webhook.secret, webhook.old_secret)
    return (webhook.secret,)
