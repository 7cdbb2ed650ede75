"""Server-sent events of a job, from the wire to typed events, across broken connections."""

import json
import time
from collections.abc import Callable, Iterator

import httpx
from httpx_sse import EventSource, SSEError

from signforge.client.errors import ConnectionFailed
from signforge.client.event_models import EVENT_TYPES, Event, StateEvent, event_adapter
from signforge.client.transport.backoff import Backoff
from signforge.client.transport.connection import AWAY, Connection

_SILENCE_SECONDS = 45.0
"""The service sends a heartbeat every 15 seconds; three missed ones mean the connection is dead."""
_PATIENCE_SECONDS = 60.0
"""How long a service may be away, say for a restart, before the call gives up."""


def follow_events(
    connection: Connection,
    path: str,
    *,
    after: int = 0,
    is_over: Callable[[], bool],
    on_away: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Event]:
    """Yield the events at `path` whose sequence is above `after`, reconnecting until the final state.

    `is_over` asks the service whether the job has ended; it is asked when a stream ends without saying so.
    `on_away` is called once whenever the service stops answering.

    Raises:
        ApiError: the service answered with a problem.
        ConnectionFailed: it was away for longer than a minute, or sends something other than events.
    """
    backoff = Backoff.patient(connection.sleep, max_seconds=_PATIENCE_SECONDS, clock=clock)
    outage = _Outage(on_away)
    while True:
        try:
            for event in _one_stream(connection, path, after=after):
                backoff.reset()  # the service answers, even if the job is silent
                outage.ended()
                if event is None:
                    continue
                after = event.sequence
                yield event
                if isinstance(event, StateEvent) and event.is_final:
                    return
        except SSEError as error:
            raise ConnectionFailed(f"{connection.address.url} sends no events: {error}.") from None
        except AWAY as error:
            outage.goes_on()
            if not backoff.wait():
                raise connection.failure(error) from None
        else:
            if is_over():
                return
            backoff.wait()


class _Outage:
    """Tells of an outage once."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell, self._is_told = tell, False

    def goes_on(self) -> None:
        if not self._is_told:
            self._tell()
        self._is_told = True

    def ended(self) -> None:
        self._is_told = False


def read_events(response: httpx.Response) -> Iterator[Event]:
    """The typed events in one answer; heartbeats, unknown types and an unfinished event are left out.

    Raises:
        SSEError: the answer is not an event stream.
    """
    for message in EventSource(response).iter_sse():
        if message.event in EVENT_TYPES:
            yield event_adapter.validate_python(
                {"type": message.event, "sequence": message.id, "data": json.loads(message.data)}
            )


def _one_stream(connection: Connection, path: str, *, after: int) -> Iterator[Event | None]:
    """Yield None once the service has answered, then events."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if after:
        headers["Last-Event-ID"] = str(after)
    with connection.stream(path, headers=headers, timeout=_SILENCE_SECONDS) as response:
        yield None
        if response.status_code != httpx.codes.NO_CONTENT:  # which says that there are no more
            yield from read_events(response)
