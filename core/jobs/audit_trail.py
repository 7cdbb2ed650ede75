"""The audit trail: who asked for which change, when, from where, and what came of it."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core.jobs.database import now, storable
from core.jobs.identifiers import new_id
from core.jobs.tables.access import AuditEntryRow

_LONGEST_TEXT = 200


@dataclass(frozen=True)
class Change:
    """A request that changes something, or was refused; never its body, never a secret."""

    action: str
    resource: str
    request_id: str
    status: int
    owner: str | None
    api_key_id: str | None
    client_address: str | None


def record(session: Session, change: Change) -> None:
    """Add an entry to the audit trail."""
    session.add(
        AuditEntryRow(
            id=new_id("aud"),
            created_at=now(session),
            owner=change.owner,
            api_key_id=change.api_key_id,
            action=change.action,
            resource=storable(change.resource)[:_LONGEST_TEXT],
            request_id=change.request_id,
            status=change.status,
            client_address=change.client_address,
        )
    )
    session.flush()


def prune(session: Session, *, older_than: timedelta) -> int:
    """Delete entries of long ago; returns how many."""
    old = AuditEntryRow.created_at < now(session) - older_than
    return len(session.execute(delete(AuditEntryRow).where(old).returning(AuditEntryRow.id)).all())
