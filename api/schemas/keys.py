"""What the API sends and takes about API keys."""

from datetime import datetime

from pydantic import AwareDatetime, Field

from api.schemas.base import GraceSeconds, Sent
from core.jobs.scopes import Scope
from core.specs.fields import Closed, Name


class ApiKeyRequest(Closed):
    """A new API key."""

    owner: Name
    """Whose key; an owner sees only their own things."""
    scopes: list[Scope] = Field([Scope.READ, Scope.SUBMIT], min_length=1)
    """What it allows: `read`, `submit` (includes read), `admin` (includes both)."""
    name: Name | None = None
    """What it is for, for people: it tells an owner's keys apart."""
    expires_at: AwareDatetime | None = None
    """When it ceases to work; null for never."""


class ApiKeyRotationRequest(Closed):
    """How an API key makes way for a new one."""

    grace_seconds: GraceSeconds = 86_400.0
    """How long the old key goes on working; 0 ends it at once."""


class ApiKeyResponse(Sent):
    """An API key, without its secret."""

    id: str
    """The middle part of the key."""
    owner: str
    """Whose key."""
    name: str | None
    """What it is for."""
    scopes: list[Scope]
    """What it allows."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """When it ceases to work."""
    revoked_at: datetime | None
    """When it was revoked."""
    last_used_at: datetime | None
    """When it was last used, to the minute."""
    replaced_by: str | None
    """The key that rotation put in its place."""


class ApiKeyCreatedResponse(ApiKeyResponse):
    """A new API key, shown this once."""

    api_key: str
    """Keep it: only its digest is stored."""


class ApiKeyList(Sent):
    """All API keys of the service, newest first."""

    data: list[ApiKeyResponse]
    """The API keys."""
