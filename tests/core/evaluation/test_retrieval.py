"""Retrieval against a reference ranking; ties count against the query."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SplitError
from core.evaluation.retrieval import rank_gallery
from core.search.neighbours import unit


def literally(similarities: np.ndarray, relevant: np.ndarray) -> tuple[float, float]:
    """Average precision and rank of the first hit: walk down the ranking, irrelevant first among equals."""
    ranking = sorted(zip(-similarities, relevant, strict=True))
    hits, precisions, first = 0, [], float("inf")
    for rank, (_, hit) in enumerate(ranking, start=1):
        if hit:
            hits += 1
            first = min(first, rank)
            precisions.append(hits / rank)
    return float(np.mean(precisions)) if precisions else 0.0, first


@given(
    queries=st.integers(1, 8),
    clips=st.integers(2, 30),
    classes=st.integers(1, 4),
    at_once=st.integers(1, 100),
    seed=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=100)
def test_scores_are_those_of_the_literal_ranking(
    queries: int, clips: int, classes: int, at_once: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    half = np.eye(3)[random.integers(0, 3, clips)] * random.choice([-1.0, 1.0], (clips, 1))
    gallery = torch.from_numpy(np.concatenate([half, -half])).float()  # sums to 0: exact similarities, ties
    asked = torch.from_numpy(random.integers(-2, 3, (queries, 3))).float()
    labels = torch.from_numpy(random.integers(0, classes, len(gallery)))
    wanted = torch.from_numpy(random.integers(0, classes + 1, queries))
    similarities = (unit(asked, gallery.mean(0)) @ unit(gallery, gallery.mean(0)).T).numpy()
    by_hand = [
        literally(row, (labels == label).numpy()) for row, label in zip(similarities, wanted, strict=True)
    ]
    unanswerable = sum(not np.isfinite(first) for _, first in by_hand)
    if unanswerable == queries:
        with pytest.raises(SplitError, match="retrieval cannot be scored"):
            rank_gallery(gallery, labels, asked, wanted)
        return
    found = rank_gallery(gallery, labels, asked, wanted, similarities_at_once=at_once)
    assert found.average_precision.tolist() == pytest.approx([precision for precision, _ in by_hand])
    assert found.first_rank.tolist() == [first for _, first in by_hand]


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_ties_of_geometry_are_ties_whatever_their_rounding(precision: torch.dtype) -> None:
    """Few small whole numbers make many equal angles, whose computed cosines differ in the last digits."""
    random, num_compared = np.random.default_rng(0), 0
    for _ in range(60):
        gallery, asked = random.integers(-2, 3, (30, 3)), random.integers(-2, 3, (10, 3))
        labels, wanted = random.integers(0, 4, 30), random.integers(0, 4, 10)
        known, query = 30 * gallery - gallery.sum(axis=0), 30 * asked - gallery.sum(axis=0)
        dots, squares = query @ known.T, np.outer((query**2).sum(axis=1), (known**2).sum(axis=1))
        exact = [
            [
                Fraction(int(dot) * abs(int(dot)), int(square)) if square else Fraction(0)
                for dot, square in row
            ]
            for row in np.stack([dots, squares], axis=2)
        ]
        inputs = (torch.from_numpy(gallery).to(precision), torch.from_numpy(labels))
        found = rank_gallery(*inputs, torch.from_numpy(asked).to(precision), torch.from_numpy(wanted))
        for row, label, precise, rank in zip(exact, wanted, *found, strict=True):
            place = {each: number for number, each in enumerate(sorted(set(row)))}
            by_hand = literally(np.array([place[each] for each in row]), labels == label)
            assert (float(precise), float(rank)) == pytest.approx(by_hand)
            num_compared += 1
    assert num_compared == 600


def test_constant_features_get_the_lowest_score() -> None:
    labels = torch.arange(20) % 2
    found = rank_gallery(torch.ones(20, 4), labels, torch.ones(6, 4), labels[:6])
    assert found.first_rank.tolist() == [11] * 6
    assert found.average_precision.tolist() == pytest.approx(
        [np.mean([j / (10 + j) for j in range(1, 11)])] * 6
    )


def test_perfect_features_score_1() -> None:
    labels = torch.arange(12) % 3
    features = torch.eye(3)[labels]
    found = rank_gallery(features, labels, features[:5], labels[:5])
    assert found.first_rank.tolist() == found.average_precision.tolist() == [1] * 5
