"""Top-1 and top-5 accuracy: the predicted class of each clip, and whether it is correct."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64


class Ranked(NamedTuple):
    """For each clip: whether its gloss is ranked first or in the first five, and the predicted gloss."""

    top1: Bool[np.ndarray, " N"]
    top5: Bool[np.ndarray, " N"]
    predicted: Int64[np.ndarray, " N"]


def rank_classes(scores: Float[np.ndarray, "N C"], labels: Int64[np.ndarray, " N"]) -> Ranked:
    """Rank the classes of each clip by `scores`; ties and NaN count as errors.

    The prediction is the true gloss if it is ranked first, else the best of the other classes.
    """
    rows = np.arange(len(labels))
    own = scores[rows, labels][:, None]
    better = (~(scores < own)).sum(axis=1) - 1  # (N,) other classes ranked at or above the true one
    others = scores.copy()
    others[rows, labels] = -np.inf
    predicted = np.where(better < 1, labels, others.argmax(axis=1))
    return Ranked(better < 1, better < 5, predicted.astype(np.int64))
