"""Label draws: stratified, seeded, nested, and at most the labels of a gloss."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SplitError
from core.evaluation.folds import Fold
from core.evaluation.label_draw import fitted_on, labelled, train_facts
from core.specs.jobs import EvaluateSpec


def spec(**fields: object) -> EvaluateSpec:
    return EvaluateSpec(corpus="any", features="keypoints", **fields)


COUNTS = st.lists(st.integers(1, 30), min_size=1, max_size=8)


@given(COUNTS, st.floats(0.01, 1), st.integers(0, 2**31), st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_fraction_is_that_of_each_gloss(
    counts: list[int], fraction: float, seed: int, every_gloss: bool
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    positions = np.flatnonzero(np.random.default_rng(seed).random(len(labels)) < 0.8)
    wish = spec(label_fraction=fraction, every_gloss=every_gloss)
    chosen = labelled(positions, labels, wish, seed=seed)
    assert set(chosen) <= set(positions)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    for gloss in range(len(counts)):
        there, taken = ((labels[some] == gloss).sum() for some in (positions, chosen))
        least, most = np.floor(fraction * there), np.ceil(fraction * there)
        assert (max(least, min(1, there)) if every_gloss else least) <= taken <= most
    assert np.array_equal(chosen, labelled(positions, labels, wish, seed=seed))


@given(COUNTS, st.integers(1, 12), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_k_labels_of_each_gloss_or_all(counts: list[int], k: int, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    wish = spec(labels_per_gloss=k)
    chosen = labelled(np.arange(len(labels)), labels, wish, seed=seed)
    assert np.bincount(labels[chosen], minlength=len(counts)).tolist() == [min(k, n) for n in counts]
    facts = train_facts(chosen, chosen[:0], labels, wish)
    assert facts["num_train"] == len(chosen)
    assert facts["num_classes_with_fewer"] == sum(n < k for n in counts)


@given(st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_a_smaller_draw_is_a_subset_of_a_larger_one(one: float, other: float, seed: int) -> None:
    labels = np.arange(90) % 7
    small, large = (
        labelled(np.arange(90), labels, spec(label_fraction=each), seed=seed) for each in sorted((one, other))
    )
    assert set(small) <= set(large)


def test_a_fraction_has_the_right_expectation_and_depends_on_the_seed() -> None:
    labels = np.repeat(np.arange(20), 5)
    draws = [
        labelled(np.arange(100), labels, spec(label_fraction=0.25, every_gloss=False), seed=seed)
        for seed in range(200)
    ]
    assert np.mean([len(draw) for draw in draws]) == pytest.approx(25, abs=0.7)  # 5 standard errors
    assert np.bincount(np.concatenate(draws)).std() < 10
    assert len({tuple(draw) for draw in draws}) > 190


def test_a_gloss_may_be_left_without_labels_but_not_all() -> None:
    labels = np.repeat(np.arange(40), 2)
    rare = labelled(np.arange(80), labels, spec(label_fraction=0.1, every_gloss=False), seed=0)
    facts = train_facts(rare, np.arange(80), labels, spec())
    assert 0 < facts["num_classes_without_train"] == 40 - len(set(labels[rare]))
    assert facts["num_test_without_train"] == 2 * facts["num_classes_without_train"]
    fold = Fold("test", np.arange(2), np.arange(2, 80))
    wish = spec(label_fraction=0.001, every_gloss=False)
    with pytest.raises(SplitError, match=r"label_fraction 0.001 selects no label of the 2"):
        fitted_on(fold, labels, wish, seed=0)
