"""Rank of each clip's gloss among all glosses, from class scores, and the predicted gloss."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

ROUNDING_UNITS = 16
"""Scores that differ by no more than this many units of rounding (the machine epsilon) of the largest one are
equal: 2e-6 for cosines in float32, 4e-15 in float64. The order of sums alone makes equal ones differ so."""


class Ranked(NamedTuple):
    """For each clip: the rank of its gloss (1 is best), and the predicted gloss."""

    ranks: Float64[np.ndarray, " N"]
    predicted: Int64[np.ndarray, " N"]

    @property
    def top1(self) -> Bool[np.ndarray, " N"]:
        """Whether each clip's gloss is ranked first."""
        return self.ranks <= 1


def rank_classes(scores: Float[np.ndarray, "N C"], labels: Int64[np.ndarray, " N"]) -> Ranked:
    """Rank the classes of each clip by `scores`; ties (see `ROUNDING_UNITS`) and NaN count as errors.

    Of tied classes the true one is ranked last. The prediction is the true gloss if it is ranked first, else
    the best of the other classes.
    """
    rows = np.arange(len(labels))
    own = scores[rows, labels][:, None]
    in_front = ~(scores < own - _margins(scores))  # (N, C) the true class counts itself
    ranks = in_front.sum(axis=1).astype(np.float64)
    others = scores.copy()
    others[rows, labels] = -np.inf
    predicted = np.where(ranks <= 1, labels, others.argmax(axis=1))
    return Ranked(ranks, predicted.astype(np.int64))


def _margins(scores: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "N 1"]:
    """Return by how much the scores of each clip may differ and still be equal."""
    largest = np.abs(np.where(np.isfinite(scores), scores, 0)).max(axis=1, keepdims=True, initial=0)
    return ROUNDING_UNITS * np.finfo(scores.dtype).eps * largest
