"""Percentile intervals of scores by resampling signers or test clips (Efron and Tibshirani, 1993)."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from core.evaluation.outcome import weighted_scores
from core.program.heartbeat import Heartbeat

NUM_RESAMPLES = 1000
LEVEL = 0.95
LEAST_SIGNERS = 8
"""Of fewer, clips are resampled. Of eight people whose scores are normal, an interval covers the true mean
90 times of 100; of five 84, of three 73, and three can be drawn in ten ways only."""
_WEIGHTS_AT_ONCE = 2**21
"""Of resamples that are scored together, between two signs of life."""


class ScoredFold(NamedTuple):
    """A fold's test clips: each one's part in each score, its gloss, and its signer (-1 where unknown)."""

    per_clip: Mapping[str, Float64[np.ndarray, " M"]]
    labels: Int64[np.ndarray, " M"]
    signers: Int64[np.ndarray, " M"]


def resampled_over(folds: Sequence[ScoredFold]) -> Literal["signers", "clips"]:
    """Signers, where every test clip names one and there are `LEAST_SIGNERS` of them; clips otherwise."""
    signers = np.unique(np.concatenate([fold.signers for fold in folds]))
    return "signers" if signers[0] >= 0 and len(signers) >= LEAST_SIGNERS else "clips"


def intervals(
    folds: Sequence[ScoredFold],
    generator: np.random.Generator,
    *,
    num_resamples: int = NUM_RESAMPLES,
    heartbeat: Heartbeat = lambda: None,
) -> dict[str, tuple[float, float]]:
    """Where 95 % of the scores (means over folds) lie if what is tested is drawn again.

    Over signers, whole people are drawn, each with all clips (a cluster bootstrap). Over clips, those of each
    fold are: that tells how far the choice of clips moves a score, and does not cover other signers, whose
    clips are alike. Neither covers other train clips, or another pretraining.
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
    """Each score in the mean over folds, where a fold counts as often as its clips were drawn."""
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
    """How often the signer of each fold's clips is drawn, when as many signers are drawn as there are."""
    signers, places = np.unique(np.concatenate([fold.signers for fold in folds]), return_inverse=True)
    times = _weights(len(signers), generator, num_resamples=num_resamples)
    ends = np.cumsum([len(fold.signers) for fold in folds])
    return [times[:, of_fold] for of_fold in np.split(places, ends[:-1])]


def _weights(
    num_drawn: int, generator: np.random.Generator, *, num_resamples: int
) -> Float64[np.ndarray, "R M"]:
    """How often each is drawn when as many are drawn as there are."""
    picked = generator.integers(num_drawn, size=(num_resamples, num_drawn))
    picked += num_drawn * np.arange(num_resamples)[:, None]
    counts = np.bincount(picked.ravel(), minlength=num_drawn * num_resamples)
    return counts.reshape(num_resamples, num_drawn).astype(np.float64)
