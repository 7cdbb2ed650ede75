"""Request and response bodies about API keys."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from api.schemas.base import GraceSeconds, Sent
from core.jobs.scopes import Scope
from core.specs.fields import Closed, Name


def _in_utc(time: datetime) -> datetime:
    """In the first and last hours of the calendar, a time of another zone has no UTC equivalent."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(
            f"{time.isoformat()} is outside of the years 1 to 9999 in UTC; give another time, or null for "
            "never"
        ) from None


class ApiKeyRequest(Closed):
    """A new API key."""

    owner: Name
    """Owner of the key. An owner sees only their own jobs, corpora, encoders and other resources."""
    scopes: list[Scope] = Field([Scope.READ, Scope.SUBMIT], min_length=1)
    """Scopes of the key: `read`, `submit` (includes `read`), `admin` (includes both)."""
    name: Name | None = None
    """Label of the key, to recognise it among an owner's keys."""
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None
    """When the key expires. Null for never."""


class ApiKeyRotationRequest(Closed):
    """Options of an API key rotation."""

    grace_seconds: GraceSeconds = 86_400.0
    """How long the old key still works. 0 revokes it at once."""


class ApiKeyResponse(Sent):
    """An API key, without its secret."""

    id: str
    """Id of the key: the middle part of `sf_<id>_<secret>`."""
    owner: str
    """Owner of the key."""
    name: str | None
    """Label of the key."""
    scopes: list[Scope]
    """Scopes of the key."""
    created_at: datetime
    """When the key was created."""
    expires_at: datetime | None
    """When the key expires. Null for never."""
    revoked_at: datetime | None
    """When the key was revoked."""
    last_used_at: datetime | None
    """When the key was last used, to the minute."""
    replaced_by: str | None
    """Id of the key that replaced it by rotation."""


class ApiKeyCreatedResponse(ApiKeyResponse):
    """A new API key with its secret, which is shown only once."""

    api_key: str
    """The key. Store it now: the service keeps only its digest."""


class ApiKeyList(Sent):
    """All API keys of the service, newest first."""

    data: list[ApiKeyResponse]
    """The API keys."""
