"""What the running service has open, and how a route gets it."""

import threading
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine

from api.rate_limits import RequestRates
from api.watches import Watches
from core.jobs.settings import Settings
from core.jobs.storage.artifacts import ArtifactStore


@dataclass(frozen=True)
class Service:
    """Settings, database and artifact store of one running API."""

    settings: Settings
    engine: Engine
    store: ArtifactStore
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the server is asked to stop; open event streams and long polls then end."""
    rates: RequestRates = field(default_factory=RequestRates)
    """How often each caller asked lately."""
    watches: Watches = field(default_factory=Watches)
    """What open event streams wait for."""


def service_of(request: Request) -> Service:
    """The service that answers this request."""
    service = request.app.state.service
    assert isinstance(service, Service), "the lifespan has not begun"
    return service


ServiceOf = Annotated[Service, Depends(service_of)]
