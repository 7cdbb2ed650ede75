"""API keys: `sf_<id>_<secret>`. Only sha256(secret) is stored, and compared in constant time."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy.orm import Session

from core.errors import UserError
from core.jobs.database import now
from core.jobs.identifiers import new_id
from core.jobs.tables import ApiKeyRow

Scope = Literal["read", "submit", "admin"]
SCOPES: frozenset[str] = frozenset(get_args(Scope))
_ABSENT = hashlib.sha256(b"").hexdigest()


def create_api_key(
    session: Session, *, owner: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> str:
    """Store a new credential and return it; it cannot be shown again.

    Raises:
        UserError: a scope that does not exist, or none.
    """
    wanted = sorted(set(scopes))
    if not wanted or not SCOPES.issuperset(wanted):
        raise UserError(f"Scopes {wanted} are not among {sorted(SCOPES)}; give at least one of these.")
    api_key_id, secret = new_id("key"), secrets.token_hex(32)
    session.add(
        ApiKeyRow(
            id=api_key_id,
            owner=owner,
            secret_sha256=_digest(secret),
            scopes=wanted,
            created_at=now(session),
            expires_at=expires_at,
        )
    )
    session.flush()
    return f"sf_{api_key_id.removeprefix('key_')}_{secret}"


def check(session: Session, token: str) -> ApiKeyRow | None:
    """The row of the credential `token`, or None if it is unknown, revoked, expired or wrong."""
    prefix, _, rest = token.partition("_")
    public, _, secret = rest.partition("_")
    row = session.get(ApiKeyRow, f"key_{public}") if prefix == "sf" and public.isalnum() else None
    matches = hmac.compare_digest(_digest(secret), row.secret_sha256 if row else _ABSENT)
    if row is None or not matches or row.revoked_at is not None:
        return None
    return None if row.expires_at is not None and row.expires_at <= now(session) else row


def revoke(session: Session, row: ApiKeyRow) -> None:
    """Make a credential useless from now on; repeating it is harmless."""
    row.revoked_at = row.revoked_at or now(session)
    session.flush()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
