"""Add the kind of a job to the index of claims, because a worker claims only jobs of kinds that it knows.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Sequence

from alembic import op


revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BEFORE = ["state", "priority", "created_at", "id", "owner", "num_devices", "device", "not_before", "deadline_at"]


def upgrade() -> None:
    """Bring the schema forward."""
    op.drop_index("ix_jobs_claim", table_name="jobs")
    op.create_index("ix_jobs_claim", "jobs", [*BEFORE, "kind"])


def downgrade() -> None:
    """Take the schema back."""
    op.drop_index("ix_jobs_claim", table_name="jobs")
    op.create_index("ix_jobs_claim", "jobs", BEFORE)
