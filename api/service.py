"""Resources of the running API (settings, database, artifact store) and the dependency that provides them."""

import threading
from dataclasses import dataclass, field
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request
from sqlalchemy import Engine

from api.audit_writer import AuditWriter
from api.bounds.fair_turns import FairTurns
from api.bounds.rate_limits import RequestRates
from api.known_keys import KnownKeys
from api.recent import Waiting
from api.watches import Watches
from core.jobs.settings import Settings
from core.jobs.storage.artifacts import ArtifactStore

LONG_READS = 2


@dataclass(frozen=True)
class Service:
    """Settings, database and artifact store of one running API."""

    settings: Settings
    engine: Engine
    store: ArtifactStore
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the server receives a stop signal. Open event streams and long polls then end."""
    rates: RequestRates = field(default_factory=RequestRates)
    """Rate limiting state of each caller."""
    watches: Watches = field(default_factory=Watches)
    """Polls shared by open event streams."""
    large_bodies: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    """Turns of large JSON bodies."""
    long_reads: FairTurns = field(default_factory=lambda: FairTurns(LONG_READS))
    """Turns of requests that may read long lists in a thread: each such thread delays the event loop."""
    audit: AuditWriter = field(default_factory=AuditWriter)
    """Writer of the audit trail."""
    known_keys: KnownKeys = field(default_factory=KnownKeys)
    """API keys that were checked moments ago."""
    waiting: Waiting = field(default_factory=Waiting)
    """What queued jobs wait for, read moments ago."""


async def service_of(request: Request) -> Service:
    """The resources of the application that handles this request."""
    service = request.app.state.service
    assert isinstance(service, Service), "the lifespan has not begun"
    return service


ServiceOf = Annotated[Service, Depends(service_of)]
