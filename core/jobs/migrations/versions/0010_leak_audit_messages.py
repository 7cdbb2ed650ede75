"""Rename the job kind `audit` to `leak_audit` in webhook messages that wait for delivery.

Delivered messages stay as they were sent.

Revision ID: 0010
Revises: 0009
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

DELIVERIES = sa.table(
    "webhook_deliveries",
    sa.column("id", sa.String),
    sa.column("payload", sa.JSON),
    sa.column("state", sa.String),
)


def upgrade() -> None:
    """Bring the rows forward."""
    _rename("audit", "leak_audit")


def downgrade() -> None:
    """Take the rows back."""
    _rename("leak_audit", "audit")


def _rename(old: str, new: str) -> None:
    connection = op.get_bind()
    pending = sa.select(DELIVERIES.c.id, DELIVERIES.c.payload).where(DELIVERIES.c.state == "pending")
    for message in connection.execute(pending).all():
        data = message.payload.get("data", {})
        if data.get("kind") == old:
            payload = {**message.payload, "data": {**data, "kind": new}}
            connection.execute(
                sa.update(DELIVERIES).where(DELIVERIES.c.id == message.id).values(payload=payload)
            )
