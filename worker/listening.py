"""A worker listens to the broker only while it is idle: a doorbell that a busy one takes is not heard.

On Redis Celery does this itself (`worker_disable_prefetch`). On AMQP a busy worker would be given one more
doorbell, which waits there unacknowledged behind a job of many hours, until RabbitMQ loses patience
(`consumer_timeout`, half an hour) and closes the channel, and Celery gives up with the worker.
"""

from contextlib import suppress
from typing import Any

from celery import bootsteps, signals
from celery.worker import state


class ListenWhileIdle(bootsteps.StartStopStep):  # type: ignore[misc]
    """Stops consuming when a doorbell is heard, and goes on when the pool child is done."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._consumer, self._listening = consumer, True
        signals.task_received.connect(self._on_doorbell)

    def start(self, consumer: Any) -> None:
        """Note that Celery consumes at first, after each connection that was made."""
        self._listening = True

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Look at each turn of the event loop, of which the end of a task is one."""
        hub.on_tick.add(self._listen_while_idle)

    def _on_doorbell(self, request: Any, **_: Any) -> None:
        """Stop first: the broker gives the next doorbell away as soon as this one is acknowledged."""
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
        with suppress(TimeoutError):  # what came together with the broker's answer wakes no event loop
            self._consumer.connection.drain_events(timeout=0.01)
