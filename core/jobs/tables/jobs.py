"""Tables of jobs, attempts, events, metrics, logs, the outbox, workers and counters.

The table `jobs` is the queue of record. Documents (specifications, results) are JSON, times are
timezone-aware UTC, sizes are bytes. Artifacts are in `tables.artifacts`, API keys and webhooks in
`tables.access`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.jobs.tables.base import Tables

CLAIM_COLUMNS = (
    *("state", "priority", "created_at", "id", "owner"),
    *("num_devices", "device", "not_before", "deadline_at", "kind"),
)
"""Columns that claims and queue positions read. The index covers them, so the documents of queued jobs are
not read."""


class JobRow(Tables):
    """A job: its specification, state, lease and result."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_claim", *CLAIM_COLUMNS),
        Index("ix_jobs_page", "owner", "created_at", "id"),
        Index(
            "ix_jobs_uncollected",
            "finished_at",
            "id",
            info={"where": "collected_at IS NULL"},
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
    """When the job's unneeded files were removed. None again when more of its files become unneeded."""


class JobAttemptRow(Tables):
    """One attempt of a worker to run a job."""

    __tablename__ = "job_attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    message: Mapped[str | None] = mapped_column(Text)


class JobEventRow(Tables):
    """An event of a job. `sequence` counts from 1 without gaps within the job."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class JobMetricRow(Tables):
    """The value of one metric at one step. The value of a later attempt replaces that of an earlier one."""

    __tablename__ = "job_metrics"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    value: Mapped[float]


class JobLogRow(Tables):
    """A piece of an attempt's log (standard error of its program).

    `offset` counts the bytes before it. The text is UTF-8 of exactly `num_bytes` bytes.
    """

    __tablename__ = "job_logs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(primary_key=True)
    num_bytes: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class OutboxRow(Tables):
    """A doorbell to ring, written in the transaction that queues the job, deleted when the job is claimed."""

    __tablename__ = "outbox"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    ring_at: Mapped[datetime] = mapped_column(index=True)
    rings: Mapped[int] = mapped_column(default=0)


class WorkerRow(Tables):
    """A worker, its devices and its last heartbeat."""

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
    """A counter since the creation of the database, summed over all processes."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
