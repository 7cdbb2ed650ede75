"""Bootstrap intervals against closed forms; resampling within folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.bootstrap import LEAST_SIGNERS, ScoredFold, intervals, resampled_over
from core.evaluation.outcome import scores_of, weighted_scores


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def scored(hits: np.ndarray, labels: np.ndarray, signers: np.ndarray | None = None) -> ScoredFold:
    return ScoredFold({"top1": hits}, labels, np.full(len(hits), -1) if signers is None else signers)


def test_the_interval_of_a_share_is_the_binomial_one() -> None:
    hits = (np.arange(400) % 4 == 0).astype(np.float64)
    fold = scored(hits, np.zeros(400, dtype=np.int64))
    low, high = intervals([fold], generator(), num_resamples=4000)["top1"]
    deviation = np.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == pytest.approx((0.25 - 1.96 * deviation, 0.25 + 1.96 * deviation), abs=0.004)


def test_folds_are_resampled_separately_and_constant_scores_have_no_width() -> None:
    right, wrong = np.ones(3), np.zeros(300)
    folds = [scored(each, np.arange(len(each)) % 3) for each in (right, wrong)]
    found = intervals(folds, generator(), num_resamples=50)
    assert found == {"top1": (0.5, 0.5), "top1_per_class": (0.5, 0.5)}, (
        "folds weigh alike, whatever their size"
    )


def test_clips_of_one_signer_are_resampled_together() -> None:
    """100 people, all of whose clips are right or wrong: an interval of 100, not of 2000."""
    signers = np.arange(2000) // 20
    fold = scored((signers % 2).astype(np.float64), np.zeros(2000, dtype=np.int64), signers)
    assert resampled_over([fold]) == "signers"
    low, high = intervals([fold], generator(), num_resamples=4000)["top1"]
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05), abs=0.011)


def test_signers_that_are_folds_are_drawn_with_their_folds() -> None:
    hits, sizes = np.random.default_rng(1).random(10), [1, 5, 9, 2, 2, 30, 1, 4, 4, 8]
    folds = [
        scored(np.full(size, hit), np.zeros(size, dtype=np.int64), np.full(size, signer))
        for signer, (hit, size) in enumerate(zip(hits, sizes, strict=True))
    ]
    found = intervals(folds, generator())["top1"]
    drawn = hits[generator().integers(10, size=(1000, 10))].mean(axis=1)
    assert found == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))


def test_clips_are_resampled_with_few_or_unnamed_signers() -> None:
    hits, labels = np.ones(40), np.zeros(40, dtype=np.int64)
    few, enough = (np.arange(40) % count for count in (LEAST_SIGNERS - 1, LEAST_SIGNERS))
    assert resampled_over([scored(hits, labels, few)]) == "clips"
    assert resampled_over([scored(hits, labels, enough)]) == "signers"
    halves = [scored(hits[half], labels[half], enough[half]) for half in (slice(0, 4), slice(4, 40))]
    assert resampled_over(halves) == "signers", "those of all folds count"
    assert resampled_over([scored(hits, labels, np.where(np.arange(40) == 9, -1, enough))]) == "clips"


def test_the_same_generator_gives_the_same_interval() -> None:
    random = np.random.default_rng(1)
    fold = scored(random.random(50), random.integers(0, 5, 50))
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
def test_a_weight_counts_a_clip_several_times(clips: int, classes: int, seed: int) -> None:
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
