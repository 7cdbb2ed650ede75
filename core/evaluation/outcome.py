"""Per-clip results of a fold, and scores from them: means over clips (per instance) and over classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64, Int64

Number = int | float
PER_CLASS = "_per_class"
"""Suffix of the names of scores that are means over classes."""


@dataclass(frozen=True)
class Outcome:
    """Result of a fold under one seed. `per_clip`: per-clip contribution to each score, in [0, 1].

    `predicted`: predicted gloss of each clip; None for protocols without predictions. `about`: facts about
    the run, such as the number of training clips.
    """

    per_clip: Mapping[str, Float64[np.ndarray, " M"]]
    predicted: Int64[np.ndarray, " M"] | None = None
    about: Mapping[str, Number] = field(default_factory=dict)

    def with_facts(self, facts: Mapping[str, Number]) -> "Outcome":
        """Return a copy with more facts in `about`, sorted by name as in a checkpoint."""
        return replace(self, about=dict(sorted({**self.about, **facts}.items())))


def scores_of(
    per_clip: Mapping[str, Float64[np.ndarray, " M"]], labels: Int64[np.ndarray, " M"]
) -> dict[str, float]:
    """Return each score per instance (mean over clips) and per class (mean of the class means)."""
    scores = weighted_scores(per_clip, labels, np.ones((1, len(labels))))
    return {name: float(each[0]) for name, each in scores.items()}


def weighted_scores(
    per_clip: Mapping[str, Float64[np.ndarray, " M"]],
    labels: Int64[np.ndarray, " M"],
    weights: Float64[np.ndarray, "R M"],
) -> dict[str, Float64[np.ndarray, " R"]]:
    """Return the same scores for R sets of clip weights, such as the draws of a bootstrap.

    A class without clips, or whose clips all have weight 0, is left out of the mean over classes. If all
    clips have weight 0, scores are 0.
    """
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    weights = weights[:, order]
    counts = np.add.reduceat(weights, starts, axis=1)  # (R, classes)
    tested = counts > 0
    scores = {}
    for name, values in per_clip.items():
        sums = np.add.reduceat(weights * values[order], starts, axis=1)
        scores[name] = _ratio(sums.sum(axis=1), counts.sum(axis=1))
        scores[name + PER_CLASS] = _ratio(_ratio(sums, counts).sum(axis=1), tested.sum(axis=1))
    return scores


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, with 0 / 0 = 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def averaged(outcomes: Sequence[Outcome]) -> dict[str, Float64[np.ndarray, " M"]]:
    """Return the per-clip contribution to each score, averaged over seeds."""
    return {
        name: np.mean([outcome.per_clip[name] for outcome in outcomes], axis=0)
        for name in outcomes[0].per_clip
    }
