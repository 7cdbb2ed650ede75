"""The audit trail: one entry per changing request, with owner, time, client address and status."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core.jobs.database import insert_rows, now, storable
from core.jobs.identifiers import new_id
from core.jobs.tables.access import AuditEntryRow

_MAX_CHARACTERS = 200


@dataclass(frozen=True)
class Change:
    """A changing request, successful or refused. It never includes the body or a secret."""

    action: str
    resource: str
    request_id: str
    status: int
    owner: str | None
    api_key_id: str | None
    client_address: str | None


def record(session: Session, changes: Iterable[Change]) -> None:
    """Add entries to the audit trail, in one statement."""
    at = now(session)
    insert_rows(session, AuditEntryRow, [_columns(change, at) for change in changes])


def _columns(change: Change, at: datetime) -> dict[str, Any]:
    return {
        **asdict(change),
        "id": new_id("aud"),
        "created_at": at,
        "resource": _shortened(change.resource),
        "client_address": _shortened(change.client_address) if change.client_address else None,
    }


def _shortened(text: str) -> str:
    """A text of a request, also an address that a proxy names, in a form that the database takes."""
    return storable(text)[:_MAX_CHARACTERS]


def prune(session: Session, *, older_than: timedelta) -> int:
    """Delete entries older than `older_than`. Returns their number."""
    old = AuditEntryRow.created_at < now(session) - older_than
    return len(session.execute(delete(AuditEntryRow).where(old).returning(AuditEntryRow.id)).all())
