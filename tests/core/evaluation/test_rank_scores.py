"""Ranks and the scores from them against literal counting; ties count against the clip."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.evaluation.accuracy import rank_classes
from core.evaluation.dictionary import dictionary_scores
from core.evaluation.outcome import SCORES
from core.evaluation.probes import classification_outcome
from core.evaluation.rank_scores import CUTOFFS, dcg, hits, reciprocal
from core.search.knn import knn_scores


def literal_rank(scores: list[float], label: int) -> int:
    """Sort the classes by falling score; among equals and NaN, the true class is the last."""

    def place(class_: int) -> tuple[float, bool]:
        score = scores[class_]
        return (-math.inf if math.isnan(score) and class_ != label else -score, class_ == label)

    if math.isnan(scores[label]):
        return len(scores)
    return sorted(range(len(scores)), key=place).index(label) + 1


VALUES = st.sampled_from([-1.0, 0.0, 0.5, 1.0, math.nan, -math.inf, math.inf])


@given(
    st.integers(2, 30).flatmap(lambda classes: arrays(np.float64, (4, classes), elements=VALUES)), st.data()
)
@settings(deadline=None, max_examples=100)
def test_a_rank_counts_ties_against_the_clip(scores: np.ndarray, data: st.DataObject) -> None:
    num_classes = scores.shape[1]
    labels = np.array([data.draw(st.integers(0, num_classes - 1)) for _ in scores])
    by_hand = [literal_rank(row, label) for row, label in zip(scores.tolist(), labels, strict=True)]
    found = classification_outcome(scores, labels, trained=np.arange(num_classes))
    assert found.ranks is not None
    assert found.ranks.tolist() == by_hand
    for k in CUTOFFS:
        if k < num_classes:
            assert found.per_clip[f"top{k}"].tolist() == [float(rank <= k) for rank in by_hand]
        else:
            assert f"top{k}" not in found.per_clip, "all ranks reach it"
    assert found.per_clip["mean_reciprocal_rank"].tolist() == [1 / rank for rank in by_hand]
    assert found.per_clip["dcg"].tolist() == pytest.approx([1 / math.log2(rank + 1) for rank in by_hand])
    assert set(found.per_clip) <= set(SCORES), "other scores would be left out of results"


@given(st.integers(2, 30), st.integers(1, 20), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_a_tie_never_helps(classes: int, clips: int, seed: int) -> None:
    """Rounding scores makes ties; no rank gets better by it, and the order of classes does not matter."""
    random = np.random.default_rng(seed)
    scores, labels = random.random((clips, classes)), random.integers(0, classes, clips)
    tied = np.round(scores, 1)
    assert (rank_classes(tied, labels).ranks >= rank_classes(scores, labels).ranks).all()
    order = random.permutation(classes)
    moved = rank_classes(tied[:, order], np.argsort(order)[labels])
    assert moved.ranks.tolist() == rank_classes(tied, labels).ranks.tolist()
    constant = rank_classes(np.zeros((clips, classes)), labels)
    assert set(constant.ranks) == {classes}, "a constant feature gets the lowest scores"


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("largest", [1e-3, 1.0, 40.0])
def test_scores_that_differ_by_rounding_are_ties(kind: str, largest: float) -> None:
    unit = np.finfo(kind).eps * largest
    scores = np.array([[largest, largest - 3 * unit, 0, -np.inf], [largest, largest - 99 * unit, 0, np.inf]])
    found = rank_classes(scores.astype(kind), np.array([0, 0]))
    assert found.ranks.tolist() == [2, 2], "the true one is last among equals; the 99 units are a difference"
    assert found.predicted.tolist() == [1, 3]


def test_an_answer_that_is_not_there_scores_nothing() -> None:
    ranks = np.array([1.0, 3.0, np.inf])
    assert reciprocal(ranks).tolist() == pytest.approx([1, 1 / 3, 0])
    assert dcg(ranks).tolist() == pytest.approx([1, 0.5, 0])
    found = hits(ranks, num_ranked=11, name="recall_at_")
    assert {name: each.tolist() for name, each in found.items()} == {
        "recall_at_1": [1, 0, 0],
        "recall_at_5": [1, 1, 0],
        "recall_at_10": [1, 1, 0],
    }


@pytest.mark.parametrize(("num_ranked", "left"), [(1, ()), (2, (1,)), (5, (1,)), (6, (1, 5)), (21, CUTOFFS)])
def test_a_k_that_all_ranks_reach_is_left_out(num_ranked: int, left: tuple[int, ...]) -> None:
    assert list(hits(np.ones(3), num_ranked=num_ranked, name="top")) == [f"top{k}" for k in left]


@pytest.mark.parametrize("protocol", ["dictionary", "knn"])
@pytest.mark.parametrize(("num_trained", "kept"), [(1, []), (5, ["top1"]), (6, ["top1", "top5"])])
def test_only_glosses_with_training_clips_can_be_answered(
    protocol: str, num_trained: int, kept: list[str]
) -> None:
    """Features that say nothing would have the full score where k reaches the trained glosses of 12."""
    trained = torch.arange(24) % num_trained
    train, test = torch.ones(24, 4), torch.ones(num_trained, 4)
    asked = np.arange(num_trained)
    if protocol == "dictionary":
        scores = dictionary_scores(train, trained, test, num_classes=12)
    else:
        scores = knn_scores(train, trained, test, num_classes=12, num_neighbours=24, temperature=0.1)
    found = classification_outcome(scores.numpy(), asked, trained=trained.numpy()).per_clip
    assert [name for name in found if name.startswith("top")] == kept
    assert all(found[name].sum() == 0 for name in kept), "all trained glosses tie"
