"""Result of an evaluation as JSON: scores with intervals and deviations, folds, and tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.evaluation.bootstrap import intervals, resampled_over
from core.evaluation.folds import Fold
from core.evaluation.outcome import Outcome, scores_of
from core.evaluation.score_tables import EvaluatedFold, class_table, clip_table, confusions, signer_table
from core.evaluation.task import Task
from core.program.heartbeat import Heartbeat
from core.training.randomness import derived_seed


@dataclass(frozen=True)
class Scored:
    """A fold with its outcomes, one for each seed, and the overlaps that inflate its scores."""

    fold: Fold
    outcomes: Sequence[Outcome]
    caveats: Mapping[str, Any]


def report(
    task: Task, scored: Sequence[Scored], seeds: Sequence[int], *, heartbeat: Heartbeat
) -> dict[str, Any]:
    """Return the scores (fractions in [0, 1]; means over folds and seeds) with details.

    `intervals` are 95 % bootstrap intervals, over test clips or, if there are enough, over signers
    (`intervals_over`). `deviations` are the standard deviations over seeds (null for one seed). `heartbeat`
    is called between blocks of resamples.
    """
    folds = [_fold(task, each, seeds) for each in scored]
    by_seed = [_means(fold["by_seed"][place]["scores"] for fold in folds) for place in range(len(seeds))]
    tested = [EvaluatedFold.of(task, each.fold, each.outcomes) for each in scored]
    clips = [each.scored for each in tested]
    return {
        **_means(by_seed),
        "num_test": sum(fold["num_test"] for fold in folds),
        "num_train": max(fold["num_train"] for fold in folds),
        "num_classes": len(task.glosses),
        "intervals": intervals(clips, _generator(seeds, "bootstrap"), heartbeat=heartbeat),
        "intervals_over": resampled_over(clips),
        "deviations": _deviations(by_seed),
        "seeds": list(seeds),
        "transfer": None if task.transfer is None else asdict(task.transfer),
        "folds": folds,
        "per_class": class_table(task, tested),
        "per_signer": signer_table(tested, _generator(seeds, "bootstrap of a signer"), heartbeat=heartbeat),
        "per_clip": clip_table(task, tested),
        "confusions": confusions(task, tested),
    }


def _generator(seeds: Sequence[int], purpose: str) -> np.random.Generator:
    return np.random.default_rng(derived_seed(seeds[0], purpose))


def _fold(task: Task, scored: Scored, seeds: Sequence[int]) -> dict[str, Any]:
    labels = task.labels[scored.fold.test]
    by_seed: list[dict[str, Any]] = [
        {"seed": seed, "scores": scores_of(outcome.per_clip, labels), **outcome.about}
        for seed, outcome in zip(seeds, scored.outcomes, strict=True)
    ]
    return {
        "name": scored.fold.name,
        **_means(each["scores"] for each in by_seed),
        "num_test": len(labels),
        "num_classes": len(task.glosses),
        "num_classes_without_test": len(task.glosses) - len(np.unique(labels)),
        **_largest_counts(scored.outcomes),
        **scored.caveats,
        "by_seed": by_seed,
    }


def _largest_counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return the largest value over seeds of each count, such as `num_train`."""
    names = [name for name in outcomes[0].about if name.startswith("num_")]
    return {name: int(max(outcome.about[name] for outcome in outcomes)) for name in names}


def _means(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    several = list(scores)
    return {name: float(np.mean([each[name] for each in several])) for name in several[0]}


def _deviations(by_seed: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """Return the sample standard deviations over seeds (with N - 1)."""
    if len(by_seed) < 2:
        return None
    return {name: float(np.std([each[name] for each in by_seed], ddof=1)) for name in by_seed[0]}
