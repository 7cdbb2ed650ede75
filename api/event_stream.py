"""A job's events as they happen: server-sent events that can be resumed and that end.

The database is looked at in a thread every so often, so any number of API processes can serve any job.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from anyio import current_time, sleep, to_thread
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.schemas import EventResponse, event_of
from api.service import Service
from core.jobs.database import reading
from core.jobs.states import FINAL, State
from core.jobs.submissions import events_after
from core.jobs.tables import JobRow

POLL_SECONDS = 0.3
"""Between looks at the database."""
HEARTBEAT_SECONDS = 15.0
"""A silent stream says this often that it is alive, so that proxies keep it open."""
RECONNECT_MILLISECONDS = 1000
"""How soon a client that lost the stream comes back."""
_BATCH = 500


@dataclass(frozen=True)
class Glance:
    """What one look at a job found."""

    events: list[EventResponse]
    finished: bool
    """Whether nothing will ever follow these."""


def glance(service: Service, job_id: str, after: int, *, limit: int = _BATCH) -> Glance:
    """Look for events of a job beyond sequence `after`."""
    with reading(service.engine) as session:
        events = [event_of(row) for row in events_after(session, job_id, after, limit)]
        job = session.get_one(JobRow, job_id)
        reached = events[-1].sequence if events else after
        return Glance(events, State(job.state) in FINAL and reached >= job.last_event)


async def event_stream(service: Service, job_id: str, after: int) -> AsyncIterator[bytes]:
    """Yield a job's events beyond `after` until its last one, or until the server stops."""
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    heard_at = current_time()
    while not service.stopping.is_set():
        seen = await to_thread.run_sync(glance, service, job_id, after)
        for event in seen.events:
            yield _encoded(event)
            after = event.sequence
        if seen.finished:
            return
        if seen.events:
            heard_at = current_time()
        elif current_time() - heard_at >= HEARTBEAT_SECONDS:
            yield KEEPALIVE_COMMENT
            heard_at = current_time()
        await sleep(0 if len(seen.events) == _BATCH else POLL_SECONDS)


def _encoded(event: EventResponse) -> bytes:
    return format_sse_event(data_str=json.dumps(event.data), event=event.type, id=str(event.sequence))
