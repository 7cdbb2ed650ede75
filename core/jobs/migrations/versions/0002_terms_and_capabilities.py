"""Scheduling options of jobs and capabilities of workers.

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TEXT = sa.String(length=200)
TIME = sa.DateTime(timezone=True)
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema forward. Workers register again by themselves, so their rows can be deleted."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("deadline_at", TIME, nullable=True))
        jobs.add_column(sa.Column("retry_of", TEXT, nullable=True))
        jobs.add_column(sa.Column("num_devices", WHOLE, nullable=False, server_default="1"))
        jobs.add_column(sa.Column("device", TEXT, nullable=True))
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("num_devices", server_default=None)
    with op.batch_alter_table("corpora") as corpora:
        corpora.add_column(sa.Column("size_bytes", WHOLE, nullable=False, server_default="0"))
    with op.batch_alter_table("corpora") as corpora:
        corpora.alter_column("size_bytes", server_default=None)
    op.create_index("ix_jobs_retry_of", "jobs", ["retry_of"])
    op.execute("DELETE FROM workers")
    with op.batch_alter_table("workers") as workers:
        workers.add_column(sa.Column("device", TEXT, nullable=False))
        workers.add_column(sa.Column("num_devices", WHOLE, nullable=False))
        workers.add_column(sa.Column("capabilities", sa.JSON(), nullable=False))


def downgrade() -> None:
    """Take the schema back."""
    with op.batch_alter_table("workers") as workers:
        for column in ("capabilities", "num_devices", "device"):
            workers.drop_column(column)
    with op.batch_alter_table("corpora") as corpora:
        corpora.drop_column("size_bytes")
    op.drop_index("ix_jobs_retry_of", table_name="jobs")
    with op.batch_alter_table("jobs") as jobs:
        for column in ("device", "num_devices", "retry_of", "deadline_at"):
            jobs.drop_column(column)
