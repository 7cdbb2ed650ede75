"""The tables (SQLAlchemy typed declarative). The database is the truth and the queue of record.

Documents (specifications, scores, error details) are JSON; times are timezone-aware UTC; sizes are bytes.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime, TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A timezone-aware time, stored as UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC on the way in."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Attach UTC on the way out."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Tables(DeclarativeBase):
    """Root of the declarative classes; constraint names are fixed so that migrations can drop them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
        str: String(200),
        int: BigInteger().with_variant(Integer(), "sqlite"),
    }


class ApiKeyRow(Tables):
    """A credential. Only the secret's sha256 is kept."""

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
    """A request that changed something, or was refused; it outlives what it is about."""

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


CLAIM_COLUMNS = (
    *("state", "priority", "created_at", "id", "owner"),
    *("num_devices", "device", "not_before", "deadline_at"),
)
"""All that choosing the next job, or telling a job's place in line, looks at: the index is enough, and the
documents of thousands of queued jobs are not read."""


class JobRow(Tables):
    """A job: what is asked, where it stands, and who holds it."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_claim", *CLAIM_COLUMNS),
        Index("ix_jobs_page", "owner", "created_at", "id"),
        Index(
            "ix_jobs_uncollected",
            "finished_at",
            "id",
            sqlite_where=text("collected_at IS NULL"),
            postgresql_where=text("collected_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    kind: Mapped[str]
    spec: Mapped[dict[str, Any]]
    resolved_spec: Mapped[dict[str, Any] | None]
    state: Mapped[str]
    status_reason: Mapped[str | None]
    status_message: Mapped[str | None] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    last_event: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    charged_attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    lease_token: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    progress: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    retry_of: Mapped[str | None] = mapped_column(index=True)
    num_devices: Mapped[int] = mapped_column(default=1)
    device: Mapped[str | None]
    request_id: Mapped[str | None]
    trace_parent: Mapped[str | None]
    collected_at: Mapped[datetime | None]
    """When the files that nobody needs any more were removed; None again when more became superfluous."""


class JobAttemptRow(Tables):
    """One worker's go at a job."""

    __tablename__ = "job_attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    message: Mapped[str | None] = mapped_column(Text)


class JobEventRow(Tables):
    """Something that happened to a job; `sequence` counts from 1 without gaps within a job."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class JobMetricRow(Tables):
    """One number at one step; a later attempt's value replaces an earlier one's."""

    __tablename__ = "job_metrics"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    value: Mapped[float]


class JobLogRow(Tables):
    """A piece of what an attempt's program wrote to standard error.

    `offset` counts the bytes before it; the text is UTF-8 of exactly `num_bytes` bytes.
    """

    __tablename__ = "job_logs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(primary_key=True)
    num_bytes: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class CheckpointRow(Tables):
    """A committed checkpoint. The row is the commit: a folder without one is garbage."""

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("job_id", "step", "attempt"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    attempt: Mapped[int]
    step: Mapped[int]
    location: Mapped[str] = mapped_column(String(1000))
    manifest: Mapped[dict[str, Any]]
    pinned: Mapped[bool] = mapped_column(default=False)
    size_bytes: Mapped[int]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class UploadRow(Tables):
    """A file somebody sent, waiting to be imported."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    filename: Mapped[str] = mapped_column(String(500))
    location: Mapped[str] = mapped_column(String(1000))
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class CorpusRow(Tables):
    """A packed corpus made by an import job; deleting it frees its name."""

    __tablename__ = "corpora"
    __table_args__ = (
        Index(
            "uq_corpora_owner_name",
            "owner",
            "name",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_corpora_page", "owner", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    location: Mapped[str] = mapped_column(String(1000))
    digest: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(default=0)
    summary: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class EncoderRow(Tables):
    """A trained encoder that users download; a name gets versions 1, 2, 3 ..."""

    __tablename__ = "encoders"
    __table_args__ = (
        UniqueConstraint("owner", "name", "version"),
        Index("ix_encoders_page", "owner", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    version: Mapped[int]
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    corpus_id: Mapped[str | None] = mapped_column(ForeignKey("corpora.id"))
    checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id"))
    location: Mapped[str] = mapped_column(String(1000))
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    card: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class EvaluationRow(Tables):
    """Scores of one encoder (or baseline) on one corpus by one protocol."""

    __tablename__ = "evaluations"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    encoder_id: Mapped[str | None] = mapped_column(ForeignKey("encoders.id"), index=True)
    corpus_id: Mapped[str] = mapped_column(ForeignKey("corpora.id"))
    features: Mapped[str]
    protocol: Mapped[str]
    folds: Mapped[str]
    scores: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class WebhookRow(Tables):
    """Where an owner is told of their jobs' state changes; secrets are kept as they are, to sign with."""

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
    """A message of a webhook: to be sent while `next_at` says when, else done with."""

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


class OutboxRow(Tables):
    """A doorbell to ring, written in the transaction that queued the job; deleted when the job is claimed."""

    __tablename__ = "outbox"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    ring_at: Mapped[datetime] = mapped_column(index=True)
    rings: Mapped[int] = mapped_column(default=0)


class IdempotencyKeyRow(Tables):
    """The stored answer to a creation, so that a repeated request makes nothing new."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    resource_id: Mapped[str]
    created_at: Mapped[datetime]


class WorkerRow(Tables):
    """A worker and when it was last heard of."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    process_id: Mapped[int]
    job_id: Mapped[str | None]
    seen_at: Mapped[datetime]
    device: Mapped[str]
    num_devices: Mapped[int]
    capabilities: Mapped[dict[str, Any]]


class CounterRow(Tables):
    """How often something has happened since the database was made, summed over all processes."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
