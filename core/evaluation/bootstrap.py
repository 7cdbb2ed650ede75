"""Percentile intervals of scores by resampling test clips (Efron and Tibshirani, 1993)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from core.evaluation.outcome import weighted_scores
from core.search.neighbours import Meanwhile

NUM_RESAMPLES = 1000
LEVEL = 0.95
_WEIGHTS_AT_ONCE = 2**21
"""Of resamples that are scored together, between two signs of life."""


class ScoredFold(NamedTuple):
    """A fold's test clips: each one's part in each score, and its gloss."""

    of_clips: Mapping[str, Float64[np.ndarray, " M"]]
    labels: Int64[np.ndarray, " M"]


def intervals(
    folds: Sequence[ScoredFold],
    generator: np.random.Generator,
    *,
    num_resamples: int = NUM_RESAMPLES,
    meanwhile: Meanwhile = lambda: None,
) -> dict[str, tuple[float, float]]:
    """Where 95 % of the scores (means over folds) lie if the test clips of each fold are drawn again.

    They tell how far the choice of test clips moves a score. They do not cover other signers (clips of one
    person are alike), other train clips, or another pretraining.
    """
    at_once = max(1, _WEIGHTS_AT_ONCE // max(len(fold.labels) for fold in folds))
    pieces = []
    for first in range(0, num_resamples, at_once):
        meanwhile()
        pieces.append(_resampled(folds, generator, num_resamples=min(at_once, num_resamples - first)))
    edges = (100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2)
    drawn = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    bounds = {name: np.percentile(scores, edges) for name, scores in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def _resampled(
    folds: Sequence[ScoredFold], generator: np.random.Generator, *, num_resamples: int
) -> dict[str, Float64[np.ndarray, " R"]]:
    scores = [
        weighted_scores(*fold, weights=_weights(len(fold.labels), generator, num_resamples=num_resamples))
        for fold in folds
    ]
    return {name: np.mean([each[name] for each in scores], axis=0) for name in scores[0]}


def _weights(
    num_clips: int, generator: np.random.Generator, *, num_resamples: int
) -> Float64[np.ndarray, "R M"]:
    """How often each clip is drawn when as many are drawn as there are."""
    picked = generator.integers(num_clips, size=(num_resamples, num_clips))
    picked += num_clips * np.arange(num_resamples)[:, None]
    counts = np.bincount(picked.ravel(), minlength=num_clips * num_resamples)
    return counts.reshape(num_resamples, num_clips).astype(np.float64)
