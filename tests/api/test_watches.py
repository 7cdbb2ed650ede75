"""Shared polling: one poll for many listeners, ended without listeners, its errors raised in all."""

import threading
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from api.watches import Watches


class Board:
    """Something to look at, that counts the looks."""

    def __init__(self) -> None:
        self.num_looks = 0
        self.news: str | None = None
        self.error: Exception | None = None
        self.looked = threading.Event()

    def look(self) -> str | None:
        self.num_looks += 1
        self.looked.set()
        if self.error is not None:
            raise self.error
        return self.news


async def listen(watches: Watches, board: Board, heard: list[str], *, seconds: float = 10.0) -> None:
    heard.append(await watches.first("key", board.look, poll_seconds=0.01, within_seconds=seconds))


def test_all_listeners_get_what_one_look_found() -> None:
    watches, board, heard = Watches(), Board(), list[str]()

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(listen, watches, board, heard)
            await until(lambda: board.num_looks >= 3)
            before = board.num_looks
            board.news = "news"
        assert board.num_looks <= before + 2, "a look for all, not one for each"

    anyio.run(scene)
    assert heard == ["news"] * 100


def test_nobody_looks_when_nobody_listens_any_more() -> None:
    watches, board = Watches(), Board()

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(listen, watches, board, [])
            await until(lambda: board.num_looks >= 2)
            group.cancel_scope.cancel()
        with pytest.raises(TimeoutError):
            await listen(watches, board, [], seconds=0.05)
        seen = board.num_looks
        board.looked.clear()
        assert not await anyio.to_thread.run_sync(partial(board.looked.wait, 0.2))
        assert board.num_looks == seen

    anyio.run(scene)


def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    watches, board, heard = Watches(), Board(), list[str]()

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(listen, watches, board, heard)
            with anyio.move_on_after(0.05):
                await listen(watches, board, [])
            board.news = "news"

    anyio.run(scene)
    assert heard == ["news"]


def test_a_look_that_fails_fails_for_all_and_the_next_listener_tries_again() -> None:
    watches, board, heard = Watches(), Board(), list[str]()
    board.error = ConnectionError("the database is away")

    async def scene() -> None:
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await listen(watches, board, heard)
        board.error, board.news = None, "news"
        await listen(watches, board, heard)

    anyio.run(scene)
    assert heard == ["news"]


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():
            await anyio.sleep(0.01)
