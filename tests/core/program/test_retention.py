"""Checkpoint retention policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.program.retention import Candidate, superfluous
from core.specs.run import RunConfig


def kept(candidates: list[Candidate], run: RunConfig) -> list[int]:
    """Steps of those that stay."""
    gone = set(superfluous(candidates, run))
    return [candidate.step for index, candidate in enumerate(candidates) if index not in gone]


def run(**fields: object) -> RunConfig:
    return RunConfig.model_validate(fields)


def test_the_newest_are_kept() -> None:
    made = [Candidate(step) for step in (5, 10, 15, 20)]
    assert kept(made, run(keep_checkpoints=2)) == [15, 20]
    assert kept(made[:1], run(keep_checkpoints=2)) == [5]


def test_every_nth_step_is_kept() -> None:
    made = [Candidate(step) for step in range(5, 55, 5)]
    assert kept(made, run(keep_checkpoints=1, keep_every_steps=20)) == [20, 40, 50]


def test_the_best_is_kept_and_of_equals_the_newest() -> None:
    made = [Candidate(5, 0.9), Candidate(10, 0.2), Candidate(15, 0.2), Candidate(20, 0.5), Candidate(25)]
    assert kept(made, run(keep_checkpoints=1, keep_best="loss")) == [15, 25]
    assert kept(made, run(keep_checkpoints=1, keep_best="knn_top1")) == [5, 25]
    assert kept(made, run(keep_checkpoints=1)) == [25]


def test_of_two_checkpoints_of_a_step_the_newer_is_kept() -> None:
    """After a broken checkpoint of step 20, the next attempt went on from 10 and made 20 again."""
    made = [Candidate(10), Candidate(20), Candidate(15), Candidate(20), Candidate(25)]
    assert superfluous(made, run(keep_checkpoints=1, keep_every_steps=20)) == [0, 1, 2]


@pytest.mark.parametrize("name", ["quality/knn", "quality/effective_rank/joint"])
def test_quality_metrics_cannot_select_a_checkpoint(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"keep_best '{name}' .*test clips.* such as 'loss'"):
        run(keep_best=name)


@given(
    st.lists(st.tuples(st.integers(1, 99), st.none() | st.floats(0, 1), st.booleans()), max_size=12),
    st.integers(1, 4),
    st.none() | st.integers(1, 9),
    st.none() | st.just("loss"),
)
def test_newest_and_pinned_are_always_kept(
    made: list[tuple[int, float | None, bool]], keep: int, every: int | None, best: str | None
) -> None:
    candidates = [Candidate(*fields) for fields in made]
    gone = superfluous(candidates, run(keep_checkpoints=keep, keep_every_steps=every, keep_best=best))
    assert not any(candidates[index].pinned for index in gone)
    assert not set(gone) & set(range(len(candidates))[-keep:])
