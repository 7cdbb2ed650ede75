"""A signal that stops a worker waits for the heartbeat that it interrupts."""

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.database import open_database
from core.jobs.migration import migrate
from core.jobs.settings import Settings
from core.jobs.workers import Capacity
from signforge.embedded.children import wait_until
from worker.deferred_signals import STOPPING, deferred_signals
from worker.tasks import _beat


@pytest.fixture
def arrived() -> Iterator[list[int]]:
    """The numbers of the signals whose handler ran."""
    found: list[int] = []
    handlers = {number: signal.signal(number, lambda got, _: found.append(got)) for number in STOPPING}
    yield found
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPPING)
def test_a_handler_runs_once_the_block_has_ended(arrived: list[int], number: int) -> None:
    with deferred_signals():
        os.kill(os.getpid(), number)
        assert arrived == []
    assert arrived == [number]
    os.kill(os.getpid(), number)
    assert arrived == [number, number], "the handlers are what they were"


def test_a_handler_runs_although_the_block_fails(arrived: list[int]) -> None:
    def stopped_and_failing() -> None:
        with deferred_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            raise ValueError("the write failed")

    with pytest.raises(ValueError, match="the write failed"):
        stopped_and_failing()
    assert arrived == [signal.SIGTERM]


def test_other_threads_are_left_alone(arrived: list[int]) -> None:
    def block() -> None:
        with deferred_signals():
            pass

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    os.kill(os.getpid(), signal.SIGTERM)
    assert arrived == [signal.SIGTERM]


def test_the_handler_of_a_stop_finds_the_database_free(tmp_path: Path) -> None:
    """The signal comes while the heartbeat waits for its turn, so it would run within the transaction."""
    settings = Settings(data_folder=tmp_path)
    engine = open_database(settings.resolved_database_url)
    migrate(engine)
    engine.dispose()
    file = tmp_path / "signforge.db"
    writer = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    found: list[int] = []

    def handler(*_: object) -> None:
        with sqlite3.connect(file, timeout=0, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            found.append(other.execute("SELECT count(*) FROM workers").fetchone()[0])
            other.execute("ROLLBACK")

    def stop() -> None:
        wait_until(lambda: signal.getsignal(signal.SIGTERM) is not handler, seconds=60)  # the heartbeat began
        os.kill(os.getpid(), signal.SIGTERM)
        writer.execute("ROLLBACK")

    before = signal.signal(signal.SIGTERM, handler)
    stopping = threading.Thread(target=stop)
    stopping.start()
    try:
        _beat(settings, Capacity())
    finally:
        stopping.join()
        signal.signal(signal.SIGTERM, before)
        writer.close()
    assert found == [1], "the heartbeat was written"
