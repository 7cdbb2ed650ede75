"""Webhook delivery in threads beside the reconciler's rounds.

There is one thread per webhook with due messages, with limits per owner and in total. So a receiver that
hangs delays only the messages of its owner.
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
from core.jobs.webhooks.deliveries import OutgoingMessage, Result, record, take, waiting
from worker.persistence import DATABASE_AWAY

MAX_THREADS = 16
MAX_THREADS_PER_OWNER = 4
_MAX_IN_A_ROW = 50
"""Messages of one webhook before its thread ends, to let other webhooks have a thread."""
_log = logging.getLogger(__name__)


class MessageSender(Protocol):
    """Sends a message once."""

    def send(self, outgoing: OutgoingMessage) -> Result:
        """Send the message and return the result."""


class WebhookDelivery:
    """Starts daemon threads for webhooks with due messages. A stop does not wait for them.

    A message whose thread ends before its result is recorded becomes due again.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        sender: MessageSender,
        *,
        random: Random | None = None,
    ) -> None:
        self._engine, self._sender = engine, sender
        self._patience = timedelta(days=settings.webhook_patience_days)
        self._random = random or Random()
        self._busy: dict[str, str] = {}
        self._lock = threading.Lock()

    def round(self) -> None:
        """Start the delivery of due messages. Does not wait for receivers."""
        with self._lock:
            room = MAX_THREADS - len(self._busy)
        if room <= 0:
            return
        with reading(self._engine) as session:
            due = waiting(session)
        for webhook_id, owner in due:
            if self._may_begin(webhook_id, owner):
                name = f"webhook-{webhook_id}"
                threading.Thread(target=self._deliver, args=[webhook_id], name=name, daemon=True).start()

    @property
    def num_busy(self) -> int:
        """Number of webhooks with a running thread."""
        with self._lock:
            return len(self._busy)

    def _may_begin(self, webhook_id: str, owner: str) -> bool:
        with self._lock:
            full = len(self._busy) >= MAX_THREADS or webhook_id in self._busy
            if full or Counter(self._busy.values())[owner] >= MAX_THREADS_PER_OWNER:
                return False
            self._busy[webhook_id] = owner
            return True

    def _deliver(self, webhook_id: str) -> None:
        try:
            for _ in range(_MAX_IN_A_ROW):
                if not self._deliver_next(webhook_id):
                    break
        except DATABASE_AWAY as error:
            _log.warning("Delivery of %s is postponed: the database is unavailable: %s", webhook_id, error)
        except Exception:
            _log.exception("Delivery of %s failed.", webhook_id)
        finally:
            with self._lock:
                del self._busy[webhook_id]

    def _deliver_next(self, webhook_id: str) -> bool:
        """Send the next due message. Returns whether to continue with the next one."""
        with transaction(self._engine) as session:
            outgoing = take(session, webhook_id)
        if outgoing is None:
            return False
        result = self._sender.send(outgoing)
        with transaction(self._engine) as session:
            record(session, outgoing, result, patience=self._patience, random=self._random)
        if not result.succeeded:
            _log.info("%s of %s, attempt %d: %s", outgoing.id, webhook_id, outgoing.attempt, result.error)
        return result.succeeded
