"""Work in a thread: its result and errors arrive, and a stop request does not wait for it."""

import threading
from collections.abc import Callable

import pytest

from core.errors import CorpusError, Stopped
from core.program.in_background import in_background

PATIENCE = 60.0
"""Seconds; only a failing test waits for so long."""


def beats_until(number: int, then: Callable[[], None]) -> Callable[[], None]:
    left = iter(range(number))

    def beat() -> None:
        if next(left, None) is None:
            then()

    return beat


def test_the_result_arrives_after_heartbeats() -> None:
    may_end = threading.Event()

    def work(check: Callable[[], None]) -> str:
        assert may_end.wait(PATIENCE)
        check()
        return "done"

    assert in_background(work, beats_until(2, may_end.set)) == "done"


def test_an_error_arrives() -> None:
    def work(check: Callable[[], None]) -> None:
        raise CorpusError("It is damaged.")

    with pytest.raises(CorpusError, match="It is damaged"):
        in_background(work, lambda: None)


def test_a_stop_request_does_not_wait_for_the_work() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work(check: Callable[[], None]) -> None:
        may_end.wait(PATIENCE)
        try:
            check()
        except Stopped:
            ended.set()

    def stop() -> None:
        raise Stopped("enough")

    with pytest.raises(Stopped, match="enough"):
        in_background(work, beats_until(1, stop))
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(PATIENCE), "the work is told when it asks"
