"""Server-sent events of a job, from the wire to typed events, across broken connections."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from signforge.client.connection import AWAY, Connection, waits
from signforge.client.models import EVENT_TYPES, Event, StateEvent, event_adapter

_SILENCE_SECONDS = 45.0
"""The service sends a heartbeat every 15 seconds; three missed ones mean the connection is dead."""
_PATIENCE_SECONDS = 60.0
"""How long a service may be away, say for a restart, before a watcher gives up."""


@dataclass(frozen=True)
class ServerSentEvent:
    """One event as the wire carries it."""

    type: str
    data: str
    id: str | None


def parse(lines: Iterable[str]) -> Iterator[ServerSentEvent]:
    """Group the lines of a `text/event-stream` into events; comments and unfinished events are dropped."""
    fields: dict[str, str] = {}
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield ServerSentEvent(fields.get("event", "message"), "\n".join(data), fields.get("id"))
            fields, data = {}, []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name:
            fields[name] = value


def follow(
    connection: Connection,
    path: str,
    *,
    after: int = 0,
    is_over: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Event]:
    """Yield the events at `path` whose sequence is above `after`, reconnecting until the final state.

    `is_over` asks the service whether the job has ended; it is asked when a stream ends without saying so.

    Raises:
        ApiError: the service answered with a problem.
        ConnectionFailed: it was away for longer than a minute.
    """
    away_since: float | None = None
    pauses = waits()
    while True:
        try:
            for event in _one_stream(connection, path, after=after):
                away_since, pauses = None, waits()  # it answers, even if the job is silent
                if event is None:
                    continue
                after = event.sequence
                yield event
                if isinstance(event, StateEvent) and event.is_final:
                    return
        except AWAY as error:
            away_since = clock() if away_since is None else away_since
            if clock() - away_since > _PATIENCE_SECONDS:
                raise connection.failure(error) from None
        else:
            if is_over():
                return
        connection.sleep(next(pauses))


def _one_stream(connection: Connection, path: str, *, after: int) -> Iterator[Event | None]:
    """Yield None once the service has answered, then events."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if after:
        headers["Last-Event-ID"] = str(after)
    with connection.stream(path, headers=headers, timeout=_SILENCE_SECONDS) as response:
        yield None
        for message in parse(response.iter_lines()):
            if message.type in EVENT_TYPES and message.id is not None:
                data = json.loads(message.data)
                yield event_adapter.validate_python(
                    {"type": message.type, "sequence": message.id, "data": data}
                )
