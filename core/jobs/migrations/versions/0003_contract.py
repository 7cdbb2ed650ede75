"""API keys have a name, a last use and a successor; changes leave an audit trail.

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
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema forward."""
    with op.batch_alter_table("api_keys") as api_keys:
        api_keys.add_column(sa.Column("name", TEXT, nullable=True))
        api_keys.add_column(sa.Column("last_used_at", TIME, nullable=True))
        api_keys.add_column(sa.Column("replaced_by", TEXT, nullable=True))
    op.create_table(
        "audit_entries",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("owner", TEXT, nullable=True),
        sa.Column("api_key_id", TEXT, nullable=True),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("resource", TEXT, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("status", WHOLE, nullable=False),
        sa.Column("client_address", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_page", "audit_entries", ["created_at", "id"])
    op.create_index("ix_audit_entries_owner", "audit_entries", ["owner", "created_at", "id"])


def downgrade() -> None:
    """Take the schema back."""
    op.drop_table("audit_entries")
    with op.batch_alter_table("api_keys") as api_keys:
        for column in ("replaced_by", "last_used_at", "name"):
            api_keys.drop_column(column)
