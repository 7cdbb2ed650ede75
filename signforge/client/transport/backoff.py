"""Retry with exponential backoff: how long to wait before each try, and when to give up."""

import itertools
import math
import time
from collections.abc import Callable

import httpx

Sleep = Callable[[float], None]

_FIRST_WAITS_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""Before the second, third ... try; a single call gives up after these."""
_NUM_PATIENT_WAITS = 32
"""A long-running call goes on with the last wait: a minute in all, long enough for a restart."""
_LONGEST_RETRY_AFTER_SECONDS = 30.0


class Backoff:
    """Waits between the tries of one operation and counts the failures in a row.

    Args:
        sleep: what waits.
        num_waits: failures in a row after which it waits no more.
        max_seconds: time since the first failure in a row after which it waits no more.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        sleep: Sleep,
        *,
        num_waits: int,
        max_seconds: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._num_waits = num_waits
        self._max_seconds = max_seconds
        self._clock = clock
        self.reset()

    @classmethod
    def patient(
        cls, sleep: Sleep, *, max_seconds: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> "Backoff":
        """For a long-running call: retries for about a minute."""
        return cls(sleep, num_waits=_NUM_PATIENT_WAITS, max_seconds=max_seconds, clock=clock)

    @classmethod
    def brief(cls, sleep: Sleep) -> "Backoff":
        """For a single call: retries for a few seconds."""
        return cls(sleep, num_waits=len(_FIRST_WAITS_SECONDS))

    @classmethod
    def none(cls, sleep: Sleep) -> "Backoff":
        """For a call that must not be repeated."""
        return cls(sleep, num_waits=0)

    def reset(self) -> None:
        """Count from zero again: the operation has got further."""
        self._waits = itertools.chain(_FIRST_WAITS_SECONDS, itertools.repeat(_FIRST_WAITS_SECONDS[-1]))
        self._num_left = self._num_waits
        self._failing_since: float | None = None

    def wait(self, *, seconds: float | None = None, at_most: float = math.inf) -> bool:
        """Wait before the next try; False, at once, where there is to be no next try.

        Args:
            seconds: wait this long instead, as the service asked for.
            at_most: give up rather than wait longer than this.
        """
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        usual = next(self._waits)
        if self._num_left == 0 or now - self._failing_since > self._max_seconds or usual > at_most:
            return False
        self._num_left -= 1
        self._sleep(usual if seconds is None else seconds)
        return True


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the service asks to wait, within reason; None where it does not say."""
    try:
        seconds = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS)
