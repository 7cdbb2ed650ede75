"""Top-k accuracy, per instance and per class, with the counts behind it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64


@dataclass(frozen=True)
class Accuracy:
    """Fractions in [0, 1]. A class without test clips is left out of the per-class means and counted."""

    top1: float
    top5: float
    top1_per_class: float
    top5_per_class: float
    num_test: int
    num_classes: int
    num_classes_without_test: int


class Ranked(NamedTuple):
    """Of each clip: whether its gloss is the first, or among the first five, and which gloss is the first."""

    top1: Bool[np.ndarray, " N"]
    top5: Bool[np.ndarray, " N"]
    predicted: Int64[np.ndarray, " N"]


def ranked(scores: Float[np.ndarray, "N C"], labels: Int64[np.ndarray, " N"]) -> Ranked:
    """Rank the classes of each clip by `scores`; a tie, or a score that is no number, counts against it."""
    rows = np.arange(len(labels))
    own = scores[rows, labels][:, None]
    better = (~(scores < own)).sum(axis=1) - 1  # (N,) classes ranked at or above the true one, itself aside
    rivals = scores.copy()
    rivals[rows, labels] = -np.inf
    predicted = np.where(better < 1, labels, rivals.argmax(axis=1))
    return Ranked(better < 1, better < 5, predicted.astype(np.int64))


def accuracy(scores: Float[np.ndarray, "N C"], labels: Int64[np.ndarray, " N"]) -> Accuracy:
    """Score the classes of each clip as `ranked` ranks them."""
    hits = np.stack(ranked(scores, labels)[:2])  # (2, N)
    counts = np.bincount(labels, minlength=scores.shape[1])
    tested = counts > 0
    per_class = [
        np.bincount(labels, weights=hit, minlength=scores.shape[1])[tested] / counts[tested] for hit in hits
    ]
    return Accuracy(
        top1=float(hits[0].mean()),
        top5=float(hits[1].mean()),
        top1_per_class=float(per_class[0].mean()),
        top5_per_class=float(per_class[1].mean()),
        num_test=len(labels),
        num_classes=int(scores.shape[1]),
        num_classes_without_test=int((~tested).sum()),
    )
