"""Server-sent event streams of a job's events: resumable, ending after the job's last event.

The database is polled in a thread, so any API process can serve any job. Listeners of one process that wait
for the same job and sequence share one poll, so a thousand listeners cost no more queries than one.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.schemas.jobs import EventResponse, event_of
from api.service import Service
from core.jobs.database import reading
from core.jobs.ledger.submissions import events_after
from core.jobs.states import FINAL, State
from core.jobs.tables.jobs import JobRow

POLL_SECONDS = 0.3
"""Seconds between polls of the database."""
HEARTBEAT_SECONDS = 15.0
"""A stream without events sends a keepalive comment this often, so that proxies keep it open."""
RECONNECT_MILLISECONDS = 1000
"""How long a client waits before it reconnects."""
_MAX_EVENTS = 500


@dataclass(frozen=True)
class Poll:
    """The result of one poll of a job's events."""

    events: list[EventResponse]
    finished: bool
    """Whether these are the job's last events."""


def poll_events(service: Service, job_id: str, after: int, *, limit: int = _MAX_EVENTS) -> Poll:
    """Read a job's events after sequence `after`."""
    with reading(service.engine) as session:
        events = [event_of(row) for row in events_after(session, job_id, after, limit)]
        job = session.get_one(JobRow, job_id)
        reached = events[-1].sequence if events else after
        return Poll(events, State(job.state) in FINAL and reached >= job.last_event)


@dataclass(frozen=True)
class _Batch:
    """New events, encoded once for all listeners."""

    encoded: bytes
    reached: int
    """The sequence after which a listener continues."""
    finished: bool


async def event_stream(service: Service, job_id: str, after: int) -> AsyncIterator[bytes]:
    """Yield a job's events after `after` until its last one, or until the server stops."""
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    while not service.stopping.is_set():
        try:
            batch = await service.watches.first(
                ("events", job_id, after),
                partial(_next_batch, service, job_id, after),
                poll_seconds=POLL_SECONDS,
                within_seconds=HEARTBEAT_SECONDS,
            )
        except TimeoutError:
            yield KEEPALIVE_COMMENT
            continue
        yield batch.encoded
        if batch.finished:
            return
        after = batch.reached


def _next_batch(service: Service, job_id: str, after: int) -> _Batch | None:
    """The events after `after`. None if there are none yet; an empty batch only when the server stops."""
    poll = poll_events(service, job_id, after)
    if not (poll.events or poll.finished or service.stopping.is_set()):
        return None
    reached = poll.events[-1].sequence if poll.events else after
    return _Batch(b"".join(_encoded(event) for event in poll.events), reached, poll.finished)


def _encoded(event: EventResponse) -> bytes:
    return format_sse_event(data_str=json.dumps(event.data), event=event.type, id=str(event.sequence))
