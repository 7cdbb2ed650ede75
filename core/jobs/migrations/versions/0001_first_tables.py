"""The first tables.

Revision ID: 0001
Revises: nothing
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TEXT = sa.String(length=200)
TIME = sa.DateTime(timezone=True)
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "api_keys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("secret_sha256", TEXT, nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_owner", "api_keys", ["owner"])
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("request_sha256", TEXT, nullable=False),
        sa.Column("resource_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_idempotency_keys"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("resolved_spec", sa.JSON(), nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("status_reason", TEXT, nullable=True),
        sa.Column("status_message", sa.Text(), nullable=True),
        sa.Column("priority", WHOLE, nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("last_event", WHOLE, nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("charged_attempts", WHOLE, nullable=False),
        sa.Column("not_before", TIME, nullable=True),
        sa.Column("lease_token", TEXT, nullable=True),
        sa.Column("lease_expires_at", TIME, nullable=True),
        sa.Column("worker", TEXT, nullable=True),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_claim", "jobs", ["state", "priority", "created_at"])
    op.create_index("ix_jobs_page", "jobs", ["owner", "created_at", "id"])
    op.create_table(
        "uploads",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("filename", sa.String(length=500), nullable=False),
        sa.Column("location", sa.String(length=1000), nullable=False),
        sa.Column("size_bytes", WHOLE, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_owner", "uploads", ["owner"])
    op.create_table(
        "workers",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("process_id", WHOLE, nullable=False),
        sa.Column("job_id", TEXT, nullable=True),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("step", WHOLE, nullable=False),
        sa.Column("location", sa.String(length=1000), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("size_bytes", WHOLE, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_checkpoints_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoints"),
        sa.UniqueConstraint("job_id", "step", "attempt", name="uq_checkpoints_job_id_step_attempt"),
    )
    op.create_index("ix_checkpoints_job_id", "checkpoints", ["job_id"])
    op.create_table(
        "corpora",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("location", sa.String(length=1000), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_corpora_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_corpora"),
        sa.UniqueConstraint("owner", "name", name="uq_corpora_owner_name"),
    )
    op.create_index("ix_corpora_page", "corpora", ["owner", "created_at", "id"])
    op.create_table(
        "job_attempts",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("worker", TEXT, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("outcome", TEXT, nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_attempts_job_id"),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_job_attempts"),
    )
    op.create_table(
        "job_events",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("sequence", WHOLE, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_events_job_id"),
        sa.PrimaryKeyConstraint("job_id", "sequence", name="pk_job_events"),
    )
    op.create_table(
        "job_metrics",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("step", WHOLE, nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_metrics_job_id"),
        sa.PrimaryKeyConstraint("job_id", "name", "step", name="pk_job_metrics"),
    )
    op.create_table(
        "outbox",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("ring_at", TIME, nullable=False),
        sa.Column("rings", WHOLE, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_outbox_job_id"),
        sa.PrimaryKeyConstraint("job_id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_ring_at", "outbox", ["ring_at"])
    op.create_table(
        "encoders",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("corpus_id", TEXT, nullable=True),
        sa.Column("checkpoint_id", TEXT, nullable=True),
        sa.Column("location", sa.String(length=1000), nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size_bytes", WHOLE, nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["checkpoint_id"], ["checkpoints.id"], name="fk_encoders_checkpoint_id"),
        sa.ForeignKeyConstraint(["corpus_id"], ["corpora.id"], name="fk_encoders_corpus_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_encoders_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_encoders"),
        sa.UniqueConstraint("owner", "name", "version", name="uq_encoders_owner_name_version"),
    )
    op.create_index("ix_encoders_page", "encoders", ["owner", "created_at", "id"])
    op.create_table(
        "evaluations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("encoder_id", TEXT, nullable=True),
        sa.Column("corpus_id", TEXT, nullable=False),
        sa.Column("features", TEXT, nullable=False),
        sa.Column("protocol", TEXT, nullable=False),
        sa.Column("folds", TEXT, nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["corpus_id"], ["corpora.id"], name="fk_evaluations_corpus_id"),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoders.id"], name="fk_evaluations_encoder_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_evaluations_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_evaluations"),
    )
    op.create_index("ix_evaluations_encoder_id", "evaluations", ["encoder_id"])
    op.create_index("ix_evaluations_owner", "evaluations", ["owner"])


def downgrade() -> None:
    """Take the schema back."""
    op.drop_index("ix_evaluations_owner", table_name="evaluations")
    op.drop_index("ix_evaluations_encoder_id", table_name="evaluations")
    op.drop_table("evaluations")
    op.drop_index("ix_encoders_page", table_name="encoders")
    op.drop_table("encoders")
    op.drop_index("ix_outbox_ring_at", table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("job_metrics")
    op.drop_table("job_events")
    op.drop_table("job_attempts")
    op.drop_index("ix_corpora_page", table_name="corpora")
    op.drop_table("corpora")
    op.drop_index("ix_checkpoints_job_id", table_name="checkpoints")
    op.drop_table("checkpoints")
    op.drop_table("workers")
    op.drop_index("ix_uploads_owner", table_name="uploads")
    op.drop_table("uploads")
    op.drop_index("ix_jobs_page", table_name="jobs")
    op.drop_index("ix_jobs_claim", table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("idempotency_keys")
    op.drop_index("ix_api_keys_owner", table_name="api_keys")
    op.drop_table("api_keys")
