"""Webhooks of job state changes: create, rotate and delete them, and write their messages.

A message is a row written in the transaction of the change it reports, so neither exists without the other.
"""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from core.jobs.database import lock_name, now
from core.jobs.identifiers import new_id
from core.jobs.tables.access import WebhookDeliveryRow, WebhookRow
from core.jobs.tables.jobs import JobRow

JOB_STATE = "job.state"
TEST = "webhook.test"
_SECRET_BYTES = 32
_LISTENING = select(WebhookRow.id).where(
    WebhookRow.owner == bindparam("owner"), WebhookRow.deleted_at.is_(None), WebhookRow.disabled_at.is_(None)
)


class DeliveryState(StrEnum):
    """State of a message's delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


def create_webhook(session: Session, *, owner: str, url: str) -> WebhookRow:
    """Create a webhook that sends every state change of the owner's jobs to `url`."""
    row = WebhookRow(id=new_id("whk"), owner=owner, url=url, secret=_new_secret(), created_at=now(session))
    session.add(row)
    session.flush()
    return row


def count_webhooks(session: Session, owner: str) -> int:
    """Number of webhooks of `owner`. Locks, so that no other transaction adds one before this one ends."""
    lock_name(session, f"webhooks:{owner}")
    kept = select(func.count()).where(WebhookRow.owner == owner, WebhookRow.deleted_at.is_(None))
    return session.execute(kept).scalar_one()


def rotate_secret(session: Session, row: WebhookRow, *, grace_seconds: float) -> None:
    """Rotate a webhook's secret. Messages are signed with both secrets for `grace_seconds`."""
    session.refresh(row, with_for_update=True)
    row.old_secret, row.secret = row.secret, _new_secret()
    row.old_secret_until = now(session) + timedelta(seconds=grace_seconds)
    session.flush()


def delete_webhook(session: Session, row: WebhookRow) -> None:
    """Delete a webhook with its deliveries and secrets. Idempotent."""
    session.refresh(row, with_for_update=True)
    session.execute(delete(WebhookDeliveryRow).where(WebhookDeliveryRow.webhook_id == row.id))
    row.deleted_at = row.deleted_at or now(session)
    row.secret, row.old_secret = "", None
    session.flush()


def notify(session: Session, job: JobRow, change: dict[str, Any]) -> None:
    """Write a message about a job's new state for each webhook of its owner."""
    with session.no_autoflush:  # else the job's own changes would be written twice
        webhook_ids = session.scalars(_LISTENING, {"owner": job.owner}).all()
    data = {
        "job_id": job.id,
        "kind": job.kind,
        "name": job.spec.get("name"),
        "sequence": job.last_event,
        **change,
    }
    for webhook_id in webhook_ids:
        add_message(session, webhook_id, JOB_STATE, data, at=job.updated_at)


def add_message(
    session: Session, webhook_id: str, kind: str, data: dict[str, Any], *, at: datetime
) -> WebhookDeliveryRow:
    """Write a message to be sent as soon as possible."""
    timestamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    row = WebhookDeliveryRow(
        id=new_id("msg"),
        webhook_id=webhook_id,
        type=kind,
        payload={"type": kind, "timestamp": timestamp, "data": data},
        state=DeliveryState.PENDING,
        attempts=0,
        next_at=at,
        created_at=at,
    )
    session.add(row)
    return row


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"
