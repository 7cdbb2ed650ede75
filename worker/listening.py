"""Celery bootstep that consumes from the broker only while the worker is idle (AMQP).

On Redis Celery does this itself (`worker_disable_prefetch`). On AMQP a busy worker would receive one more
doorbell and leave it unacknowledged for the hours of its job. After RabbitMQ's `consumer_timeout` (half an
hour) the broker closes the channel, and Celery ends the worker.
"""

from contextlib import suppress
from typing import Any

from celery import bootsteps, signals
from celery.worker import state


class ListenWhileIdle(bootsteps.StartStopStep):  # type: ignore[misc]
    """Stops consuming when a doorbell arrives, and resumes when the pool child is done."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._consumer, self._listening = consumer, True
        signals.task_received.connect(self._on_doorbell)

    def start(self, consumer: Any) -> None:
        """Record that Celery consumes after each new connection."""
        self._listening = True

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Check at each tick of the event loop. The end of a task causes a tick."""
        hub.on_tick.add(self._listen_while_idle)

    def _on_doorbell(self, request: Any, **_: Any) -> None:
        """Stop consuming before acknowledging, since the broker then sends the next doorbell."""
        self._listen(False)
        request.acknowledge()

    def _listen_while_idle(self) -> None:
        self._listen(not (state.reserved_requests or state.active_requests))

    def _listen(self, wanted: bool) -> None:
        doorbells = self._consumer.task_consumer
        if doorbells is None or wanted == self._listening:
            return
        self._listening = wanted
        if not wanted:
            doorbells.cancel()
            return
        doorbells.consume()
        with suppress(TimeoutError):  # messages in the same packet as the broker's reply wake no event loop
            self._consumer.connection.drain_events(timeout=0.01)
