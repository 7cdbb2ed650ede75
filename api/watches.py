"""Shared database polling: listeners that wait for the same thing share one poll."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from anyio import sleep, to_thread

FoundT = TypeVar("FoundT")


@dataclass
class _Watch:
    task: asyncio.Task[Any]
    num_listeners: int = 0


class Watches:
    """The polls of one process and event loop: at most one per key, for any number of listeners."""

    def __init__(self) -> None:
        self._watches: dict[Hashable, _Watch] = {}

    async def first(
        self,
        key: Hashable,
        poll: Callable[[], FoundT | None],
        *,
        poll_seconds: float,
        within_seconds: float,
    ) -> FoundT:
        """Call `poll` in a thread every `poll_seconds` and return its first result that is not None.

        The result may depend on `key` alone, since concurrent callers with the same key share it.

        Raises:
            TimeoutError: there was no result within `within_seconds`.
        """
        watch = self._watches.get(key) or self._begin(key, poll, poll_seconds)
        watch.num_listeners += 1
        try:
            async with asyncio.timeout(within_seconds):
                found: FoundT = await asyncio.shield(watch.task)
                return found
        finally:
            watch.num_listeners -= 1
            if not watch.num_listeners:
                watch.task.cancel()
                self._forget(key, watch)

    def _begin(self, key: Hashable, poll: Callable[[], FoundT | None], poll_seconds: float) -> _Watch:
        watch = self._watches[key] = _Watch(asyncio.create_task(_watch(poll, poll_seconds)))
        watch.task.add_done_callback(lambda _: self._forget(key, watch))
        return watch

    def _forget(self, key: Hashable, watch: _Watch) -> None:
        if self._watches.get(key) is watch:
            del self._watches[key]


async def _watch(poll: Callable[[], FoundT | None], poll_seconds: float) -> FoundT:
    while (found := await to_thread.run_sync(poll)) is None:
        await sleep(poll_seconds)
    return found
