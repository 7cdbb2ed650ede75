"""Make the index of claims a covering index.

Revision ID: 0005
Revises: 0004
"""

from collections.abc import Sequence

from alembic import op


revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COLUMNS = ["state", "priority", "created_at", "id", "owner", "num_devices", "device", "not_before", "deadline_at"]


def upgrade() -> None:
    """Bring the schema forward."""
    op.drop_index("ix_jobs_claim", table_name="jobs")
    op.create_index("ix_jobs_claim", "jobs", COLUMNS)


def downgrade() -> None:
    """Take the schema back."""
    op.drop_index("ix_jobs_claim", table_name="jobs")
    op.create_index("ix_jobs_claim", "jobs", ["state", "priority", "created_at"])
