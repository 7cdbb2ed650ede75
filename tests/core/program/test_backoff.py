"""Backoff grows to a limit and is reset by a success."""

import pytest

from core.program.backoff import Backoff, exponential_wait
from tests.worker.attempt.test_reporter import Clock


def test_the_wait_grows_to_its_limit() -> None:
    waits = [exponential_wait(n, first_seconds=2, longest_seconds=50, growth=3) for n in (1, 2, 3, 4, 10**6)]
    assert waits == [2, 6, 18, 50, 50]


def test_backoff_doubles_to_its_limit_and_starts_over() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    assert backoff.due
    waits = []
    for _ in range(7):
        backoff.failed()
        assert not backoff.due
        waits.append(backoff.remaining)
        clock.time += backoff.remaining
        assert backoff.due
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    backoff.worked()
    backoff.failed()
    assert backoff.remaining == pytest.approx(0.2)
