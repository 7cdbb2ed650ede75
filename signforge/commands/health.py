"""Health checks of the parts of a cluster, for containers."""

from datetime import UTC, datetime
from typing import Literal

import httpx
from sqlalchemy.exc import SQLAlchemyError

from core.errors import DatabaseTooNew
from core.jobs import counters
from core.jobs.database import cannot_be_used, now, open_database, reading
from core.jobs.migration import refuse_newer
from core.jobs.settings import Settings, read_settings
from core.jobs.tables.jobs import WorkerRow
from core.jobs.workers import HEARTBEAT_TIMEOUT_SECONDS
from signforge.client.transport.address import url_of
from worker.app import worker_name

_TIMEOUT_SECONDS = 5.0


def fault_of(part: Literal["api", "reconciler", "worker"]) -> str | None:
    """The fault of a part of the cluster, by the settings of the environment. None if it is healthy."""
    settings = read_settings()
    if part == "api":
        return _fault_of_api(settings)
    try:
        seen_seconds_ago = _silence_of(part, settings)
    except DatabaseTooNew as error:
        return str(error)
    except (SQLAlchemyError, OSError) as error:
        return cannot_be_used(settings.resolved_database_url, error)
    if seen_seconds_ago is None:
        return f"The {part} has not sent a heartbeat to the database yet."
    if seen_seconds_ago > HEARTBEAT_TIMEOUT_SECONDS:
        limit = f"the limit is {HEARTBEAT_TIMEOUT_SECONDS:g} s"
        return f"The last heartbeat of the {part} was {seen_seconds_ago:.0f} s ago; {limit}."
    return None


def _fault_of_api(settings: Settings) -> str | None:
    url = f"{url_of(settings.host, settings.port)}/healthz"
    try:
        answer = httpx.get(url, timeout=_TIMEOUT_SECONDS, trust_env=False)
    except httpx.TransportError as error:
        return f"The API does not respond at {url}: {error}"
    return None if answer.is_success else f"The API responds with status {answer.status_code} at {url}."


def _silence_of(part: Literal["reconciler", "worker"], settings: Settings) -> float | None:
    """Seconds since the last heartbeat of a part. None if there was none."""
    engine = open_database(settings.resolved_database_url)
    try:
        refuse_newer(engine)
        with reading(engine) as session:
            if part == "worker":
                row = session.get(WorkerRow, worker_name(settings))
                seen_at = row.seen_at if row else None
            else:
                seconds = counters.values(session).get(counters.RECONCILER_SEEN)
                seen_at = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
            return None if seen_at is None else (now(session) - seen_at).total_seconds()
    finally:
        engine.dispose()
