"""Tables of API keys, the audit trail, idempotency keys, webhooks and their deliveries."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.jobs.tables.base import Tables


class ApiKeyRow(Tables):
    """An API key. Only the sha256 of its secret is stored."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    name: Mapped[str | None]
    secret_sha256: Mapped[str]
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    replaced_by: Mapped[str | None]


class AuditEntryRow(Tables):
    """A changing request, successful or refused. It is kept after its resource is deleted."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_page", "created_at", "id"),
        Index("ix_audit_entries_owner", "owner", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    owner: Mapped[str | None]
    api_key_id: Mapped[str | None]
    action: Mapped[str]
    resource: Mapped[str]
    request_id: Mapped[str]
    status: Mapped[int]
    client_address: Mapped[str | None]


class IdempotencyKeyRow(Tables):
    """The resource that a request created, returned when the request is repeated with the same key."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    resource_id: Mapped[str]
    created_at: Mapped[datetime]


class WebhookRow(Tables):
    """A URL that receives an owner's job state changes. Secrets are stored in clear, to sign messages."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_page", "owner", "created_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    url: Mapped[str] = mapped_column(String(2100))
    secret: Mapped[str]
    old_secret: Mapped[str | None]
    old_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    deleted_at: Mapped[datetime | None]


class WebhookDeliveryRow(Tables):
    """A message of a webhook. `next_at` is the time of its next attempt, or null if it needs none."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_page", "webhook_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id"))
    type: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    attempted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
