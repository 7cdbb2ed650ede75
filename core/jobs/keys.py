"""API keys (`sf_<id>_<secret>`): create, check, rotate, revoke. Only sha256(secret) is stored."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from core.errors import KeyNotRotatable, UserError
from core.jobs.database import now
from core.jobs.identifiers import new_id
from core.jobs.scopes import Scope
from core.jobs.tables.access import ApiKeyRow

USE_NOTED_EVERY_SECONDS = 60.0
"""Resolution of `last_used_at`. Uses within this time of the last recorded one write nothing."""
_TOKEN = re.compile(r"(sf_[0-9A-Za-z]+_)[0-9A-Za-z]+")
_ABSENT = hashlib.sha256(b"").hexdigest()


def create_api_key(
    session: Session,
    *,
    owner: str,
    scopes: Iterable[str],
    name: str | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Store a new API key and return it. It cannot be shown again.

    Raises:
        UserError: a scope does not exist, or there is none.
    """
    wanted = sorted(set(scopes))
    if not wanted or not set(Scope).issuperset(wanted):
        raise UserError(f"Scopes {wanted} are invalid. Give at least one of: {', '.join(Scope)}.")
    api_key_id, secret = new_id("key"), secrets.token_hex(32)
    session.add(
        ApiKeyRow(
            id=api_key_id,
            owner=owner,
            name=name,
            secret_sha256=_digest(secret),
            scopes=wanted,
            created_at=now(session),
            expires_at=expires_at,
        )
    )
    session.flush()
    return f"sf_{api_key_id.removeprefix('key_')}_{secret}"


def check(session: Session, token: str) -> ApiKeyRow | None:
    """The row of the API key `token`, or None if it is unknown, revoked, expired or has a wrong secret."""
    prefix, _, rest = token.partition("_")
    public, _, secret = rest.partition("_")
    row = session.get(ApiKeyRow, f"key_{public}") if prefix == "sf" and public.isalnum() else None
    matches = hmac.compare_digest(_digest(secret), row.secret_sha256 if row else _ABSENT)
    if row is None or not matches or row.revoked_at is not None:
        return None
    return None if row.expires_at is not None and row.expires_at <= now(session) else row


def rotate(session: Session, row: ApiKeyRow, *, grace_seconds: float) -> str:
    """Replace an API key by a new one with the same owner, scopes, name and lifetime. Returns the new key.

    The old key works for `grace_seconds` more, or until it expires if that is sooner.

    Raises:
        KeyNotRotatable: the old key is revoked, expired or already rotated.
    """
    session.refresh(row, with_for_update=True)
    at = now(session)
    _require_rotatable(row, at)
    lifetime = row.expires_at - row.created_at if row.expires_at else None
    expires_at = at + lifetime if lifetime else None
    token = create_api_key(session, owner=row.owner, scopes=row.scopes, name=row.name, expires_at=expires_at)
    grace_ends = at + timedelta(seconds=grace_seconds)
    row.expires_at = min(row.expires_at or grace_ends, grace_ends)
    row.replaced_by = api_key_id_of(token)
    session.flush()
    return token


def api_key_id_of(token: str) -> str:
    """The id part of an API key."""
    return f"key_{token.split('_')[1]}"


def use_is_due(row: ApiKeyRow, at: datetime) -> bool:
    """Whether a use at `at` should be recorded."""
    return row.last_used_at is None or at - row.last_used_at >= timedelta(seconds=USE_NOTED_EVERY_SECONDS)


def note_use(session: Session, api_key_id: str) -> None:
    """Record the use of an API key, unless one was recorded within the last minute."""
    at = now(session)
    before = at - timedelta(seconds=USE_NOTED_EVERY_SECONDS)
    stale = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at <= before)
    session.execute(update(ApiKeyRow).where(ApiKeyRow.id == api_key_id, stale).values(last_used_at=at))


def revoke(session: Session, row: ApiKeyRow) -> None:
    """Revoke an API key at once. Idempotent."""
    row.revoked_at = row.revoked_at or now(session)
    session.flush()


def without_secrets(text: str) -> str:
    """Redact the secrets of API keys in a text, such as a request path that is logged."""
    return _TOKEN.sub(r"\1...", text)


def _require_rotatable(row: ApiKeyRow, at: datetime) -> None:
    if row.replaced_by is not None:
        raise KeyNotRotatable(f"API key {row.id} is already rotated. It was replaced by {row.replaced_by}.")
    if row.revoked_at is not None:
        raise KeyNotRotatable(f"API key {row.id} is revoked. Create a new one instead.")
    if row.expires_at is not None and row.expires_at <= at:
        raise KeyNotRotatable(f"API key {row.id} has expired. Create a new one instead.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
