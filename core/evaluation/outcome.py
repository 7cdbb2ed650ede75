"""Per-clip results of a fold, and scores from them: means over clips (per instance) and over classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64, Int64

from core.evaluation.rank_scores import CUTOFFS

Number = int | float
PER_CLASS = "_per_class"
"""Suffix of the names of scores that are means over classes."""
SCORES = (
    *(f"top{k}" for k in CUTOFFS),
    *(f"recall_at_{k}" for k in CUTOFFS),
    "mean_average_precision",
    "mean_reciprocal_rank",
    "dcg",
)
"""Names of all scores of protocols, in the order of results."""


@dataclass(frozen=True)
class Outcome:
    """Result of a fold under one seed. `per_clip`: per-clip contribution to each score, in [0, 1].

    `predicted`: predicted gloss of each clip; None for protocols without predictions. `ranks`: rank of each
    clip's right answer, infinite if there is none; None if a checkpoint of an earlier version lacks them.
    `about`: facts about the run, such as the number of training clips.
    """

    per_clip: Mapping[str, Float64[np.ndarray, " M"]]
    predicted: Int64[np.ndarray, " M"] | None = None
    ranks: Float64[np.ndarray, " M"] | None = None
    about: Mapping[str, Number] = field(default_factory=dict)

    def with_facts(self, facts: Mapping[str, Number]) -> "Outcome":
        """Return a copy with more facts in `about`, sorted by name as in a checkpoint."""
        return replace(self, about=dict(sorted({**self.about, **facts}.items())))


def with_common_scores(outcomes: Sequence[Sequence[Outcome]]) -> list[list[Outcome]]:
    """Return the outcomes (of each seed and fold) with only the scores that all of them have, in one order.

    A fold may lack a score because it ranks k clips or fewer, or because an earlier version scored it.
    Outcomes from a checkpoint have their scores in another order.
    """
    every = [outcome for of_seed in outcomes for outcome in of_seed]
    common = [name for name in SCORES if all(name in each.per_clip for each in every)]
    return [
        [replace(each, per_clip={name: each.per_clip[name] for name in common}) for each in of_seed]
        for of_seed in outcomes
    ]


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
