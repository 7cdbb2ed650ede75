"""Batches made ahead are those made in time, and nothing stays behind."""

import threading

import pytest

from core.training.prefetch import Prefetch


def test_batches_are_those_of_their_steps_from_any_step_on() -> None:
    made: list[int] = []

    def make(step: int) -> int:
        made.append(step)
        return step * step

    with Prefetch(make, end=9) as batches:
        assert [batches(step) for step in range(4, 9)] == [16, 25, 36, 49, 64]
    assert made == [4, 5, 6, 7, 8], "each once, none beyond the end"


def test_a_step_out_of_turn_is_made_for_it() -> None:
    with Prefetch(str, end=100) as batches:
        assert [batches(step) for step in (0, 7, 8, 3)] == ["0", "7", "8", "3"]


def test_the_next_batch_is_made_while_this_one_is_used() -> None:
    begun = threading.Event()

    def make(step: int) -> int:
        if step == 1:
            begun.set()
        return step

    with Prefetch(make, end=5) as batches:
        batches(0)
        assert begun.wait(timeout=30), "nobody asked for step 1 yet"


def test_an_error_is_raised_where_its_step_is_asked_for() -> None:
    def make(step: int) -> int:
        if step == 1:
            raise OSError("the disk is gone")
        return step

    with Prefetch(make, end=5) as batches:
        assert batches(0) == 0
        with pytest.raises(OSError, match="the disk is gone"):
            batches(1)
        assert batches(2) == 2


def test_no_thread_is_left_behind_even_after_an_error() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), Prefetch(lambda step: 1 // step, end=5) as batches:
        batches(0)
    assert threading.active_count() == before
