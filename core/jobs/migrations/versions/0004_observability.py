"""Add job logs, the request and trace of a job, and counters.

Revision ID: 0004
Revises: 0003
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TEXT = sa.String(length=200)
TIME = sa.DateTime(timezone=True)
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema forward."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("request_id", TEXT, nullable=True))
        jobs.add_column(sa.Column("trace_parent", TEXT, nullable=True))
    op.create_table(
        "job_logs",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("offset", WHOLE, nullable=False),
        sa.Column("num_bytes", WHOLE, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_logs_job_id"),
        sa.PrimaryKeyConstraint("job_id", "attempt", "offset", name="pk_job_logs"),
    )
    op.create_table(
        "counters",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )


def downgrade() -> None:
    """Take the schema back."""
    op.drop_table("counters")
    op.drop_table("job_logs")
    with op.batch_alter_table("jobs") as jobs:
        for column in ("trace_parent", "request_id"):
            jobs.drop_column(column)
