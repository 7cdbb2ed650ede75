"""Hourly deletion of old rows: audit entries, webhook deliveries, idempotency keys, workers."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session

from core.jobs import audit_trail, workers
from core.jobs.database import now, transaction
from core.jobs.settings import Settings
from core.jobs.tables.access import IdempotencyKeyRow
from core.jobs.webhooks import deliveries as webhook_deliveries

_EVERY_SECONDS = 3600.0
_KEEP_WORKERS = timedelta(days=1)
_log = logging.getLogger(__name__)


class Pruning:
    """Deletes old rows once an hour."""

    def __init__(
        self, engine: Engine, settings: Settings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._settings, self._clock = engine, settings, clock
        self._due = clock()

    def round(self) -> None:
        """Delete old rows, if an hour has passed."""
        if self._clock() < self._due:
            return
        with transaction(self._engine) as session:
            pruned = self._prune(session)
        self._due = self._clock() + _EVERY_SECONDS
        summary = ", ".join(f"{number} {what}" for what, number in pruned.items() if number)
        if summary:
            _log.info("Deleted old rows: %s.", summary)

    def _prune(self, session: Session) -> dict[str, int]:
        settings = self._settings
        audited, delivered = settings.keep_audit_trail_days, settings.keep_deliveries_days
        answered = timedelta(days=settings.keep_idempotency_days)
        return {
            "audit entries": audit_trail.prune(session, older_than=timedelta(days=audited)),
            "webhook messages": webhook_deliveries.prune(session, older_than=timedelta(days=delivered)),
            "idempotency keys": _prune_keys(session, older_than=answered),
            "workers": workers.prune(session, older_than=_KEEP_WORKERS),
        }


def _prune_keys(session: Session, *, older_than: timedelta) -> int:
    old = delete(IdempotencyKeyRow).where(IdempotencyKeyRow.created_at < now(session) - older_than)
    return len(session.execute(old.returning(IdempotencyKeyRow.key)).all())
