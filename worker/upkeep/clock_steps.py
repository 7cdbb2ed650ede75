"""Shortens waits every half a minute that a clock, set back since, made longer."""

import logging
import time
from collections.abc import Callable
from random import Random

from sqlalchemy import Engine

from core.jobs.clamped_waits import clamp_waits
from core.jobs.database import transaction
from core.jobs.ledger.fence import RetryPolicy

_EVERY_SECONDS = 30.0
_log = logging.getLogger(__name__)


class ClockSteps:
    """Clamps the waits in the database to their full length from now."""

    def __init__(
        self, engine: Engine, policy: RetryPolicy, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._policy, self._clock = engine, policy, clock
        self._due = clock()
        self._random = Random()

    def round(self) -> None:
        """Clamp the waits, if half a minute has passed."""
        if self._clock() < self._due:
            return
        with transaction(self._engine) as session:
            clamped = clamp_waits(session, self._policy, self._random)
        self._due = self._clock() + _EVERY_SECONDS
        if clamped:
            _log.warning("The clock was set back: shortened %d waits of jobs and webhooks.", clamped)
