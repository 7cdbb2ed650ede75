"""Bootstrap confidence intervals of scores, over signers or test clips (Efron and Tibshirani, 1993)."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from core.evaluation.outcome import weighted_scores
from core.program.heartbeat import Heartbeat

NUM_RESAMPLES = 1000
LEVEL = 0.95
LEAST_SIGNERS = 8
"""With fewer signers, clips are resampled. With normally distributed scores, the interval's coverage of the
true mean is 90 % for eight signers, 84 % for five and 73 % for three. Three have only ten resamples."""
_WEIGHTS_AT_ONCE = 2**21
"""Largest number of resampling weights in memory, between two heartbeats."""


class ScoredFold(NamedTuple):
    """A fold's test clips: per-clip contribution to each score, gloss, and signer (-1 if unknown)."""

    per_clip: Mapping[str, Float64[np.ndarray, " M"]]
    labels: Int64[np.ndarray, " M"]
    signers: Int64[np.ndarray, " M"]


def resampled_over(folds: Sequence[ScoredFold]) -> Literal["signers", "clips"]:
    """Return the resampling unit: signers if all are named and there are `LEAST_SIGNERS`, else clips."""
    signers = np.unique(np.concatenate([fold.signers for fold in folds]))
    return "signers" if signers[0] >= 0 and len(signers) >= LEAST_SIGNERS else "clips"


def intervals(
    folds: Sequence[ScoredFold],
    generator: np.random.Generator,
    *,
    num_resamples: int = NUM_RESAMPLES,
    heartbeat: Heartbeat = lambda: None,
) -> dict[str, tuple[float, float]]:
    """Return 95 % percentile bootstrap intervals of the scores (means over folds).

    Over signers, each signer is drawn with all their clips (cluster bootstrap). Over clips, the clips of each
    fold are drawn. This measures the variance from the choice of test clips, but not from other signers,
    because clips of one signer are correlated. Neither covers other training clips or another pretraining.
    """
    at_once = max(1, _WEIGHTS_AT_ONCE // sum(len(fold.labels) for fold in folds))
    pieces = []
    for first in range(0, num_resamples, at_once):
        heartbeat()
        pieces.append(_resampled(folds, generator, num_resamples=min(at_once, num_resamples - first)))
    edges = (100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2)
    drawn = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    bounds = {name: np.percentile(scores, edges) for name, scores in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def _resampled(
    folds: Sequence[ScoredFold], generator: np.random.Generator, *, num_resamples: int
) -> dict[str, Float64[np.ndarray, " R"]]:
    """Return each score's weighted mean over folds; a fold's weight is the number of draws of its clips."""
    if resampled_over(folds) == "signers":
        weights = _weights_by_signer(folds, generator, num_resamples=num_resamples)
    else:
        weights = [_weights(len(fold.labels), generator, num_resamples=num_resamples) for fold in folds]
    scores = [
        weighted_scores(fold.per_clip, fold.labels, of_fold)
        for fold, of_fold in zip(folds, weights, strict=True)
    ]
    shares = [of_fold.mean(axis=1) for of_fold in weights]
    return {name: np.average([each[name] for each in scores], axis=0, weights=shares) for name in scores[0]}


def _weights_by_signer(
    folds: Sequence[ScoredFold], generator: np.random.Generator, *, num_resamples: int
) -> list[Float64[np.ndarray, "R M"]]:
    """Return the number of draws of each clip's signer, drawing with replacement, for each fold."""
    signers, places = np.unique(np.concatenate([fold.signers for fold in folds]), return_inverse=True)
    times = _weights(len(signers), generator, num_resamples=num_resamples)
    ends = np.cumsum([len(fold.signers) for fold in folds])
    return [times[:, of_fold] for of_fold in np.split(places, ends[:-1])]


def _weights(
    num_drawn: int, generator: np.random.Generator, *, num_resamples: int
) -> Float64[np.ndarray, "R M"]:
    """Return the number of draws of each element, drawing `num_drawn` with replacement."""
    picked = generator.integers(num_drawn, size=(num_resamples, num_drawn))
    picked += num_drawn * np.arange(num_resamples)[:, None]
    counts = np.bincount(picked.ravel(), minlength=num_drawn * num_resamples)
    return counts.reshape(num_resamples, num_drawn).astype(np.float64)
