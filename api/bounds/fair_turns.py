"""Turns of work that delays other requests, shared between owners."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from anyio import CapacityLimiter


class FairTurns:
    """At most `total` turns at a time, first come, first served.

    At most `total` requests of an owner hold or wait for a turn. The owner's others wait behind them, so a
    burst of one owner does not delay other owners for long. Use it in one event loop.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._all = CapacityLimiter(total)
        self._of_owner: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        of_owner = self._of_owner.setdefault(owner, CapacityLimiter(self._total))
        async with of_owner, self._all:
            yield
