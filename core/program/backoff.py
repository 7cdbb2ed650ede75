"""Exponential backoff: the wait before the next retry, as a number and by a clock.

`exponential_wait` is for retries that are counted in the database or outlive a process. `Backoff` is for a
loop that does other work while it waits. If a call may block until it succeeds, use tenacity.
"""

import time
from collections.abc import Callable

_MOST_GROWTHS = 64
"""Largest exponent, to prevent overflow; the result is far above any limit."""


def exponential_wait(
    failures: int, *, first_seconds: float, longest_seconds: float, growth: float = 2.0
) -> float:
    """Return the seconds to wait after `failures` failures in a row, growing by `growth` up to a limit."""
    assert failures >= 1, "backoff needs at least one failure"
    return min(first_seconds * growth ** min(failures - 1, _MOST_GROWTHS), longest_seconds)


class Backoff:
    """Tells when to retry an operation that keeps failing; `clock` returns monotonic seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        first_seconds: float = 0.2,
        longest_seconds: float = 5.0,
    ) -> None:
        self._clock, self._first, self._longest = clock, first_seconds, longest_seconds
        self._failures = 0
        self._not_before = clock()

    @property
    def due(self) -> bool:
        """Whether the next try is due."""
        return self._clock() >= self._not_before

    @property
    def remaining(self) -> float:
        """Seconds until the next try is due."""
        return max(0.0, self._not_before - self._clock())

    def failed(self) -> None:
        """Record a failure and increase the wait."""
        self._failures += 1
        self._not_before = self._clock() + exponential_wait(
            self._failures, first_seconds=self._first, longest_seconds=self._longest
        )

    def worked(self) -> None:
        """Record a success and reset the wait."""
        self._failures, self._not_before = 0, self._clock()
