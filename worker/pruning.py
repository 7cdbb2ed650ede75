"""Forgets what was kept for long enough: audit entries, and what became of webhooks' messages."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine

from core.jobs import audit, webhook_deliveries
from core.jobs.database import transaction
from core.jobs.settings import Settings

_EVERY_SECONDS = 3600.0
_log = logging.getLogger(__name__)


class Pruning:
    """Deletes old rows once an hour."""

    def __init__(
        self, engine: Engine, settings: Settings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._clock = engine, clock
        self._audit = timedelta(days=settings.keep_audit_days)
        self._deliveries = timedelta(days=settings.keep_deliveries_days)
        self._due = clock()

    def round(self) -> None:
        """Delete what is old, if an hour has passed."""
        if self._clock() < self._due:
            return
        with transaction(self._engine) as session:
            num_entries = audit.prune(session, older_than=self._audit)
            num_messages = webhook_deliveries.prune(session, older_than=self._deliveries)
        self._due = self._clock() + _EVERY_SECONDS
        if num_entries or num_messages:
            _log.info("Forgot %d audit entries and %d webhook messages.", num_entries, num_messages)
