"""A job's events as they happen: server-sent events that can be resumed and that end.

The database is looked at in a thread every so often, so any number of API processes can serve any job. All
listeners of a process that have come equally far share a look, so a thousand cost no more looks than one.
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


@dataclass(frozen=True)
class _News:
    """What a look found for listeners, encoded once for all of them."""

    encoded: bytes
    reached: int
    """The sequence from which a listener goes on."""
    finished: bool


async def event_stream(service: Service, job_id: str, after: int) -> AsyncIterator[bytes]:
    """Yield a job's events beyond `after` until its last one, or until the server stops."""
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    while not service.stopping.is_set():
        try:
            news = await service.watches.first(
                ("events", job_id, after),
                partial(_fetch_news, service, job_id, after),
                poll_seconds=POLL_SECONDS,
                within_seconds=HEARTBEAT_SECONDS,
            )
        except TimeoutError:
            yield KEEPALIVE_COMMENT
            continue
        yield news.encoded
        if news.finished:
            return
        after = news.reached


def _fetch_news(service: Service, job_id: str, after: int) -> _News | None:
    """What there is to say; nothing new to say is an answer only when the server stops."""
    seen = glance(service, job_id, after)
    if not (seen.events or seen.finished or service.stopping.is_set()):
        return None
    reached = seen.events[-1].sequence if seen.events else after
    return _News(b"".join(_encoded(event) for event in seen.events), reached, seen.finished)


def _encoded(event: EventResponse) -> bytes:
    return format_sse_event(data_str=json.dumps(event.data), event=event.type, id=str(event.sequence))
