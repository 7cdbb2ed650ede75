"""Rank of each clip's gloss among all glosses, from class scores, and the predicted gloss."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64


class Ranked(NamedTuple):
    """For each clip: the rank of its gloss (1 is best), and the predicted gloss."""

    ranks: Float64[np.ndarray, " N"]
    predicted: Int64[np.ndarray, " N"]

    @property
    def top1(self) -> Bool[np.ndarray, " N"]:
        """Whether each clip's gloss is ranked first."""
        return self.ranks <= 1


def rank_classes(scores: Float[np.ndarray, "N C"], labels: Int64[np.ndarray, " N"]) -> Ranked:
    """Rank the classes of each clip by `scores`; ties and NaN count as errors.

    Of tied classes the true one is ranked last. The prediction is the true gloss if it is ranked first, else
    the best of the other classes.
    """
    rows = np.arange(len(labels))
    own = scores[rows, labels][:, None]
    ranks = (~(scores < own)).sum(axis=1).astype(np.float64)  # (N,) the true class counts itself
    others = scores.copy()
    others[rows, labels] = -np.inf
    predicted = np.where(ranks <= 1, labels, others.argmax(axis=1))
    return Ranked(ranks, predicted.astype(np.int64))
