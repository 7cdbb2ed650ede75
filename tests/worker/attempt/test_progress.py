"""Progress from events: percent, speed and time left."""

import pytest

from worker.attempt.progress import Progress


def test_before_anything_happens() -> None:
    document = Progress().as_json()
    assert (document["phase"], document["step"], document["percent"]) == ("starting", 0, None)
    assert document["eta_seconds"] is None


def test_a_steady_program_is_foreseen_exactly() -> None:
    progress = Progress()
    progress.on_phase("training", total_steps=100)
    for step in range(10, 50, 10):
        progress.on_step(step, {"loss": 1 / step}, at=5.0 * step)
    document = progress.as_json()
    assert document["percent"] == 40.0
    assert document["eta_seconds"] == pytest.approx(60 * 5.0)
    assert document["step_seconds"] == 5.0
    assert document["metrics"] == {"loss": 1 / 40}


def test_a_resumed_program_is_not_taken_for_a_fast_one() -> None:
    progress = Progress()
    progress.on_phase("training", total_steps=1_000)
    progress.on_step(900, {}, at=0.1)
    assert progress.as_json()["eta_seconds"] is None
    progress.on_step(901, {}, at=1.1)
    assert progress.as_json()["eta_seconds"] == pytest.approx(99.0)


def test_a_new_phase_starts_over() -> None:
    progress = Progress()
    progress.on_phase("reading", total_steps=10)
    progress.on_step(10, {"samples_per_second": 3.0}, at=1.0)
    progress.on_phase("training", total_steps=0)
    document = progress.as_json()
    assert (document["phase"], document["step"], document["total_steps"]) == ("training", 0, None)
    assert (document["percent"], document["samples_per_second"]) == (None, 3.0)
