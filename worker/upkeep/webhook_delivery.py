"""Delivers webhooks beside the reconciler's rounds, in threads that cannot hold these up.

One thread for each webhook that has something due, a few for each owner, a limited number in all: a receiver
that hangs delays its owner's messages and nobody else's.
"""

import logging
import threading
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Protocol

from sqlalchemy import Engine

from core.jobs.database import reading, transaction
from core.jobs.settings import Settings
from core.jobs.webhooks.deliveries import Parcel, Result, record, take, waiting
from worker.persistence import DATABASE_AWAY

MOST_THREADS = 16
MOST_THREADS_PER_OWNER = 4
_MOST_IN_A_ROW = 50
"""Messages of one webhook before its thread makes room for another's."""
_log = logging.getLogger(__name__)


class Sends(Protocol):
    """What sends a message once."""

    def send(self, parcel: Parcel) -> Result:
        """Tell what came of it."""


class WebhookDelivery:
    """Starts threads for webhooks that have something due; they are daemons, so a stop waits for none.

    A message whose thread ends before its result is noted comes up again by itself.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        sender: Sends,
        *,
        random: Random | None = None,
    ) -> None:
        self._engine, self._sender = engine, sender
        self._patience = timedelta(days=settings.webhook_patience_days)
        self._random = random or Random()
        self._busy: dict[str, str] = {}
        self._lock = threading.Lock()

    def round(self) -> None:
        """See to whatever is due; returns without waiting for any receiver."""
        with self._lock:
            room = MOST_THREADS - len(self._busy)
        if room <= 0:
            return
        with reading(self._engine) as session:
            due = waiting(session)
        for webhook_id, owner in due:
            if self._may_begin(webhook_id, owner):
                name = f"webhook-{webhook_id}"
                threading.Thread(target=self._see_to, args=[webhook_id], name=name, daemon=True).start()

    @property
    def num_busy(self) -> int:
        """How many webhooks are being seen to."""
        with self._lock:
            return len(self._busy)

    def _may_begin(self, webhook_id: str, owner: str) -> bool:
        with self._lock:
            full = len(self._busy) >= MOST_THREADS or webhook_id in self._busy
            if full or Counter(self._busy.values())[owner] >= MOST_THREADS_PER_OWNER:
                return False
            self._busy[webhook_id] = owner
            return True

    def _see_to(self, webhook_id: str) -> None:
        try:
            for _ in range(_MOST_IN_A_ROW):
                if not self._deliver_next(webhook_id):
                    break
        except DATABASE_AWAY as error:
            _log.warning("The database is away while %s is seen to: %s", webhook_id, error)
        except Exception:
            _log.exception("Seeing to %s failed", webhook_id)
        finally:
            with self._lock:
                del self._busy[webhook_id]

    def _deliver_next(self, webhook_id: str) -> bool:
        """Send what is due next; whether going on at once makes sense."""
        with transaction(self._engine) as session:
            parcel = take(session, webhook_id)
        if parcel is None:
            return False
        result = self._sender.send(parcel)
        with transaction(self._engine) as session:
            record(session, parcel, result, patience=self._patience, random=self._random)
        if not result.succeeded:
            _log.info("%s of %s, attempt %d: %s", parcel.id, webhook_id, parcel.attempt, result.error)
        return result.succeeded
