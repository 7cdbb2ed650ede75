"""Readiness checks of the database, migrations, broker and artifact store."""

import logging
from collections.abc import Callable

from kombu.connection import Connection

from api.schemas.library import Check, ReadyResponse
from api.service import Service
from core.jobs.database import reading
from core.jobs.migration import is_current

_BROKER_SECONDS = 2.0
_log = logging.getLogger("signforge.api")


def check_readiness(service: Service) -> ReadyResponse:
    """Run all checks. The result is public, so it names only settings; details go to the log."""
    checks = {
        "database": _try("responds", "does not respond; see SIGNFORGE_DATABASE_URL", _database, service),
        "migrations": _try(
            "up to date", "are missing; restart the API, which applies them", _migrations, service
        ),
        "broker": _try("responds", "does not respond; see SIGNFORGE_BROKER_URL", _broker, service),
        "storage": _try(
            "is writable",
            "is not writable; see SIGNFORGE_ARTIFACTS and SIGNFORGE_ARTIFACTS_URL",
            _storage,
            service,
        ),
    }
    return ReadyResponse(ready=all(check.ok for check in checks.values()), checks=checks)


def _try(good: str, bad: str, attempt: Callable[[Service], bool], service: Service) -> Check:
    try:
        held = attempt(service)
    except Exception as error:
        _log.warning("readiness: %s: %s", bad, error)
        held = False
    return Check(ok=held, detail=good if held else bad)


def _database(service: Service) -> bool:
    with reading(service.engine) as session:
        session.connection().exec_driver_sql("SELECT 1")
    return True


def _migrations(service: Service) -> bool:
    return is_current(service.engine)


def _broker(service: Service) -> bool:
    url = service.settings.resolved_broker_url
    with Connection(url, connect_timeout=_BROKER_SECONDS) as connection:  # type: ignore[no-untyped-call]
        connection.ensure_connection(
            max_retries=1, timeout=_BROKER_SECONDS, interval_start=0, interval_step=0
        )
        connection.channel().close()
    return True


def _storage(service: Service) -> bool:
    service.store.check_writable()
    return True
