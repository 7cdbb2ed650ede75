"""The audit trail: one entry per changing request, with owner, time, client address and status."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core.jobs.database import now, storable
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


def record(session: Session, change: Change) -> None:
    """Add an entry to the audit trail, to be flushed with the others of the transaction."""
    session.add(
        AuditEntryRow(
            id=new_id("aud"),
            created_at=now(session),
            owner=change.owner,
            api_key_id=change.api_key_id,
            action=change.action,
            resource=_shortened(change.resource),
            request_id=change.request_id,
            status=change.status,
            client_address=_shortened(change.client_address) if change.client_address else None,
        )
    )


def _shortened(text: str) -> str:
    """A text of a request, also an address that a proxy names, in a form that the database takes."""
    return storable(text)[:_MAX_CHARACTERS]


def prune(session: Session, *, older_than: timedelta) -> int:
    """Delete entries older than `older_than`. Returns their number."""
    old = AuditEntryRow.created_at < now(session) - older_than
    return len(session.execute(delete(AuditEntryRow).where(old).returning(AuditEntryRow.id)).all())
