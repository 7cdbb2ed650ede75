"""API keys have a name, a last use and a successor.

Revision ID: 0003
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TEXT = sa.String(length=200)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Bring the schema forward."""
    with op.batch_alter_table("api_keys") as api_keys:
        api_keys.add_column(sa.Column("name", TEXT, nullable=True))
        api_keys.add_column(sa.Column("last_used_at", TIME, nullable=True))
        api_keys.add_column(sa.Column("replaced_by", TEXT, nullable=True))


def downgrade() -> None:
    """Take the schema back."""
    with op.batch_alter_table("api_keys") as api_keys:
        for column in ("replaced_by", "last_used_at", "name"):
            api_keys.drop_column(column)
