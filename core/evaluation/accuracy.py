"""Which class a clip is taken for, and whether that is right: top-1 and top-5."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64


class Ranked(NamedTuple):
    """Of each clip: whether its gloss is the first, or among the first five, and which gloss is the first."""

    top1: Bool[np.ndarray, " N"]
    top5: Bool[np.ndarray, " N"]
    predicted: Int64[np.ndarray, " N"]


def ranked(scores: Float[np.ndarray, "N C"], labels: Int64[np.ndarray, " N"]) -> Ranked:
    """Rank the classes of each clip by `scores`; a tie, or a score that is no number, counts against it.

    A clip whose gloss is not the first is taken for the best of the others.
    """
    rows = np.arange(len(labels))
    own = scores[rows, labels][:, None]
    better = (~(scores < own)).sum(axis=1) - 1  # (N,) classes ranked at or above the true one, itself aside
    others = scores.copy()
    others[rows, labels] = -np.inf
    predicted = np.where(better < 1, labels, others.argmax(axis=1))
    return Ranked(better < 1, better < 5, predicted.astype(np.int64))
