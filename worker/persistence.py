"""Writing to a database that may be away for a while."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from core.jobs.database import transaction

DATABASE_AWAY = (OperationalError, InterfaceError)
"""What SQLAlchemy raises when the database cannot be reached, is busy, or has no room."""
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0
_log = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")


class Backoff:
    """When to try again: waits double from 0.2 to 5 seconds until something works."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wait = _FIRST_WAIT_SECONDS
        self._not_before = clock()

    @property
    def due(self) -> bool:
        """Whether it is time to try."""
        return self._clock() >= self._not_before

    @property
    def remaining(self) -> float:
        """Seconds until it is time to try."""
        return max(0.0, self._not_before - self._clock())

    def failed(self) -> None:
        """It did not work: wait longer."""
        self._not_before = self._clock() + self._wait
        self._wait = min(2 * self._wait, _LONGEST_WAIT_SECONDS)

    def worked(self) -> None:
        """It worked: no wait any more."""
        self._wait, self._not_before = _FIRST_WAIT_SECONDS, self._clock()


def retry_while_database_away(
    engine: Engine,
    write: Callable[[Session], ResultT],
    *,
    within_seconds: float,
    pause: Callable[[float], object],
    clock: Callable[[], float] = time.monotonic,
) -> ResultT:
    """Run `write` in a transaction, again and again while the database is away; returns its answer.

    `pause(seconds)` waits between tries; it may raise to give up early.

    Raises:
        OperationalError, InterfaceError: it is still away after `within_seconds`.
    """
    deadline, backoff = clock() + within_seconds, Backoff(clock)
    while True:
        try:
            with transaction(engine) as session:
                return write(session)
        except DATABASE_AWAY as error:
            if clock() >= deadline:
                raise
            _log.warning("The database is away, trying again: %s", error)
            backoff.failed()
            pause(backoff.remaining)
