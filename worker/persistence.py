"""Database writes with retry and exponential backoff during outages."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from core.jobs.database import transaction

DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What SQLAlchemy raises when the database cannot be reached, is busy, or has no room."""
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0
_log = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")


def retry_while_database_away(
    engine: Engine,
    write: Callable[[Session], ResultT],
    *,
    within_seconds: float,
    pause: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
) -> ResultT:
    """Run `write` in a transaction, and retry with exponential backoff while the database is unavailable.

    `pause(seconds)` waits between attempts. It may raise to give up early.

    Raises:
        DATABASE_AWAY: the database is still unavailable after `within_seconds`.
    """
    deadline = clock() + within_seconds
    retrying = Retrying(
        retry=retry_if_exception_type(DATABASE_AWAY),
        wait=wait_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
        stop=lambda _: clock() >= deadline,
        sleep=pause,
        before_sleep=_warn,
        reraise=True,
    )
    return retrying(_write_once, engine, write)


def _write_once(engine: Engine, write: Callable[[Session], ResultT]) -> ResultT:
    with transaction(engine) as session:
        return write(session)


def _warn(tried: RetryCallState) -> None:
    error = tried.outcome.exception() if tried.outcome is not None else None
    _log.warning("The database is unavailable; retrying: %s", error)
