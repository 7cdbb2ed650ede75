"""Add the time of a job's garbage collection.

Revision ID: 0007
Revises: 0006
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

TIME = sa.DateTime(timezone=True)

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.add_column("jobs", sa.Column("collected_at", TIME, nullable=True))
    uncollected = sa.text("collected_at IS NULL")
    op.create_index(
        "ix_jobs_uncollected",
        "jobs",
        ["finished_at", "id"],
        sqlite_where=uncollected,
        postgresql_where=uncollected,
    )


def downgrade() -> None:
    """Take the schema back."""
    op.drop_index("ix_jobs_uncollected", table_name="jobs")
    op.drop_column("jobs", "collected_at")
