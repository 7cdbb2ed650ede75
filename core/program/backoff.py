"""Exponential backoff: how long to wait before the next try, as a number and by a clock.

`exponential_wait` is for tries that are counted in the database or outlive a process; `Backoff` is for a loop
that has other work while it waits. Where a call may block until it succeeds, use tenacity.
"""

import time
from collections.abc import Callable

_MOST_GROWTHS = 64
"""Far beyond any limit, and still within a float."""


def exponential_wait(
    failures: int, *, first_seconds: float, longest_seconds: float, growth: float = 2.0
) -> float:
    """Seconds to wait after so many failures in a row: `growth` times as long each time, up to a limit."""
    assert failures >= 1, "there is nothing to wait for"
    return min(first_seconds * growth ** min(failures - 1, _MOST_GROWTHS), longest_seconds)


class Backoff:
    """When to try again something that keeps failing; `clock` tells monotonic seconds."""

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
        """Whether it is time to try."""
        return self._clock() >= self._not_before

    @property
    def remaining(self) -> float:
        """Seconds until it is time to try."""
        return max(0.0, self._not_before - self._clock())

    def failed(self) -> None:
        """It did not work: wait longer."""
        self._failures += 1
        self._not_before = self._clock() + exponential_wait(
            self._failures, first_seconds=self._first, longest_seconds=self._longest
        )

    def worked(self) -> None:
        """It worked: no wait any more."""
        self._failures, self._not_before = 0, self._clock()
