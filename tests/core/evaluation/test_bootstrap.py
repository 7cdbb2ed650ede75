"""Intervals against closed forms, and their promise to resample within folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.bootstrap import ScoredFold, intervals
from core.evaluation.outcome import scores_of, weighted_scores


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_interval_of_a_share_is_the_binomial_one() -> None:
    hits = (np.arange(400) % 4 == 0).astype(np.float64)
    fold = ScoredFold({"top1": hits}, np.zeros(400, dtype=np.int64))
    low, high = intervals([fold], generator(), num_resamples=4000)["top1"]
    deviation = np.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == pytest.approx((0.25 - 1.96 * deviation, 0.25 + 1.96 * deviation), abs=0.004)


def test_folds_are_resampled_apart_and_certainty_has_no_width() -> None:
    right, wrong = np.ones(3), np.zeros(300)
    folds = [ScoredFold({"top1": each}, np.arange(len(each)) % 3) for each in (right, wrong)]
    found = intervals(folds, generator(), num_resamples=50)
    assert found == {"top1": (0.5, 0.5), "top1_per_class": (0.5, 0.5)}, (
        "folds weigh alike, whatever their size"
    )


def test_the_same_generator_gives_the_same_interval() -> None:
    random = np.random.default_rng(1)
    fold = ScoredFold({"top1": random.random(50)}, random.integers(0, 5, 50))
    assert intervals([fold], generator()) == intervals([fold], generator())
    assert intervals([fold], generator()) != intervals([fold], np.random.default_rng(2))


def test_a_class_without_clips_is_left_out_of_the_mean_over_classes() -> None:
    hits, labels = np.array([1.0, 1.0, 0.0, 1.0]), np.array([0, 0, 2, 2])
    assert scores_of({"top1": hits}, labels) == {"top1": 0.75, "top1_per_class": 0.75}
    weights = np.array([[1.0, 3.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    scores = weighted_scores({"top1": hits}, labels, weights)
    assert {name: each.tolist() for name, each in scores.items()} == {
        "top1": [1, 0.5],
        "top1_per_class": [1, 0.5],
    }


@given(st.integers(1, 25), st.integers(1, 5), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_a_weight_is_a_clip_so_many_times(clips: int, classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    hits, labels = random.random(clips), random.integers(0, classes, clips)
    weights = random.integers(0, 4, (3, clips))
    weights[:, 0] += 1
    found = weighted_scores({"top1": hits}, labels, weights.astype(np.float64))
    for row, times in enumerate(weights):
        many, of_class = np.repeat(hits, times), np.repeat(labels, times)
        assert found["top1"][row] == pytest.approx(many.mean())
        by_class = [many[of_class == each].mean() for each in np.unique(of_class)]
        assert found["top1_per_class"][row] == pytest.approx(np.mean(by_class))
