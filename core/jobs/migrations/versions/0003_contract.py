"""Add API key names, last use and rotation, the audit trail, deletion and webhooks.

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
    for table in ("uploads", "encoders"):
        with op.batch_alter_table(table) as rows:
            rows.add_column(sa.Column("deleted_at", TIME, nullable=True))
    with op.batch_alter_table("corpora") as corpora:
        corpora.add_column(sa.Column("deleted_at", TIME, nullable=True))
        corpora.drop_constraint("uq_corpora_owner_name", type_="unique")
    kept = sa.text("deleted_at IS NULL")
    op.create_index(
        "uq_corpora_owner_name",
        "corpora",
        ["owner", "name"],
        unique=True,
        sqlite_where=kept,
        postgresql_where=kept,
    )
    op.create_table(
        "webhooks",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("url", sa.String(length=2100), nullable=False),
        sa.Column("secret", TEXT, nullable=False),
        sa.Column("old_secret", TEXT, nullable=True),
        sa.Column("old_secret_until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("failing_since", TIME, nullable=True),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.Column("disabled_reason", TEXT, nullable=True),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_page", "webhooks", ["owner", "created_at", "id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("webhook_id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", WHOLE, nullable=False),
        sa.Column("next_at", TIME, nullable=True),
        sa.Column("attempted_at", TIME, nullable=True),
        sa.Column("delivered_at", TIME, nullable=True),
        sa.Column("status", WHOLE, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name="fk_webhook_deliveries_webhook_id"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
    )
    op.create_index("ix_webhook_deliveries_next_at", "webhook_deliveries", ["next_at"])
    op.create_index("ix_webhook_deliveries_page", "webhook_deliveries", ["webhook_id", "created_at", "id"])


def downgrade() -> None:
    """Take the schema back. Deleted rows are listed again, corpora with their id added to the name."""
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
    op.drop_index("uq_corpora_owner_name", table_name="corpora")
    op.execute("UPDATE corpora SET name = name || ' ' || id WHERE deleted_at IS NOT NULL")
    with op.batch_alter_table("corpora") as corpora:
        corpora.drop_column("deleted_at")
        corpora.create_unique_constraint("uq_corpora_owner_name", ["owner", "name"])
    for table in ("encoders", "uploads"):
        with op.batch_alter_table(table) as rows:
            rows.drop_column("deleted_at")
    op.drop_table("audit_entries")
    with op.batch_alter_table("api_keys") as api_keys:
        for column in ("replaced_by", "last_used_at", "name"):
            api_keys.drop_column(column)
