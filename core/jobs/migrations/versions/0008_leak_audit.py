"""Rename the job kind `audit` to `leak_audit`, in rows, specifications and results.

Revision ID: 0008
Revises: 0007
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JOBS = sa.table(
    "jobs",
    sa.column("id", sa.String),
    sa.column("kind", sa.String),
    sa.column("spec", sa.JSON),
    sa.column("result", sa.JSON),
)


def upgrade() -> None:
    """Bring the rows forward."""
    _rename("audit", "leak_audit")


def downgrade() -> None:
    """Take the rows back."""
    _rename("leak_audit", "audit")


def _rename(old: str, new: str) -> None:
    connection = op.get_bind()
    for job in connection.execute(sa.select(JOBS).where(JOBS.c.kind == old)).all():
        result = {new if key == old else key: value for key, value in (job.result or {}).items()}
        values = {"kind": new, "spec": {**job.spec, "kind": new}, "result": result or sa.null()}
        connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(values))
