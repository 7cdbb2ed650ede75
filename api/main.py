"""The HTTP service: `create_app` builds the FastAPI application, `python -m api.main` serves it."""

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Scope

from api import problems
from api.bounds.connections import BoundedConnection, end_overdue, raise_file_limit
from api.documents import docs_page, openapi
from api.middleware.audit_trail import AuditTrail
from api.middleware.body_limit import BodyLimit
from api.middleware.rate_limiting import RateLimit
from api.middleware.security_headers import SecurityHeaders
from api.monitoring.prometheus import HttpMetrics
from api.request_ids import RequestIds
from api.routes import (
    api_keys,
    audit_trail,
    corpora,
    encoders,
    evaluations,
    events,
    health,
    jobs,
    logs,
    recipes,
    uploads,
    webhooks,
    workers,
)
from api.service import Service
from core.jobs import log_lines
from core.jobs.database import open_database
from core.jobs.migration import migrate
from core.jobs.settings import Settings, settings_or_exit
from core.jobs.storage.stores import open_store
from core.jobs.tracing import tracer_provider

_NOUNS = (
    jobs,
    events,
    logs,
    uploads,
    corpora,
    encoders,
    evaluations,
    recipes,
    webhooks,
    api_keys,
    audit_trail,
    workers,
)
_GRACE_SECONDS = 10
_THREADS, _SWITCH_SECONDS = 16, 0.001
"""Threads that compute, and how long each may before the event loop gets its turn: at worst it waits for the
product. Python's own 5 ms and the usual 40 threads would let it wait for 0.2 s, several times a request."""


def create_app(settings: Settings) -> FastAPI:
    """Return the application. Its database is opened at startup and closed at shutdown."""
    provider = tracer_provider(settings, "api")
    app = FastAPI(
        title="signforge",
        summary="A training service for self-supervised sign-language encoders.",
        version=openapi.VERSION,
        lifespan=_lifespan,
        openapi_tags=openapi.TAGS,
        generate_unique_id_function=_operation_id,
        docs_url=None,
        redoc_url=None,
        telemetry={
            "tracing": provider is not None,
            "tracer_provider": provider,
            "metrics": False,
            "logs": False,
            "operation_spans": False,  # so that a job's span is a direct child of its request's span
            "auto_configure": False,
            "exclude": _is_untraced,
        },
    )
    app.state.tracer_provider = provider
    app.state.settings = settings
    app.add_middleware(BodyLimit)
    app.add_middleware(AuditTrail)
    app.add_middleware(RateLimit)
    app.state.http_metrics = HttpMetrics()
    app.add_middleware(
        RequestIds,
        answer_internal_error=problems.internal_error_response,
        observe=app.state.http_metrics.observe,
    )
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    for noun in _NOUNS:
        app.include_router(noun.router, prefix="/v1")
    app.include_router(health.router)
    openapi.install(app)
    docs_page.install(app)
    return app


class ApiServer(uvicorn.Server):
    """Uvicorn server that ends overdue connections and, at a stop signal, open event streams and long polls.

    Uvicorn alone waits for open responses before it stops the application, and these would not end.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Set `Service.stopping`, then handle the signal as uvicorn does."""
        service: Service | None = getattr(self.config.app.state, "service", None)  # type: ignore[union-attr]
        if service is not None:
            service.stopping.set()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: what uvicorn does then and, once a second, end overdue connections."""
        if counter % 10 == 0:
            end_overdue(self.server_state.connections)
        return await super().on_tick(counter)


def main() -> None:
    """Migrate the database, then serve with settings from the environment."""
    settings = settings_or_exit()
    log_lines.configure("api", settings)
    engine = open_database(settings.resolved_database_url)
    migrate(engine)
    engine.dispose()
    raise_file_limit()
    sys.setswitchinterval(_SWITCH_SECONDS)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=BoundedConnection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    gc.freeze()  # what is loaded stays: looking through it for garbage would stop everything for a moment
    ApiServer(config).run()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    engine = open_database(settings.resolved_database_url)
    app.state.service = Service(settings, engine, open_store(settings))
    app.openapi()  # now, or a first request would wait for it
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield
    app.state.service.stopping.set()
    engine.dispose()
    if app.state.tracer_provider is not None:
        await to_thread.run_sync(app.state.tracer_provider.shutdown)


def _is_untraced(scope: Scope) -> bool:
    """Whether a request is a frequent probe or scrape, which gets no trace."""
    return scope["path"] in ("/healthz", "/readyz", "/metrics")


def _operation_id(route: APIRoute) -> str:
    return route.name


if __name__ == "__main__":
    main()
