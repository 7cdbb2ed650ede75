"""Result of an evaluation as JSON: scores with intervals and deviations, folds, classes, confusions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.evaluation.bootstrap import ScoredFold, intervals, resampled_over
from core.evaluation.folds import Fold
from core.evaluation.outcome import Outcome, averaged, scores_of
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
    tested = [_scored_fold(task, each) for each in scored]
    generator = np.random.default_rng(derived_seed(seeds[0], "bootstrap"))
    return {
        **_means(by_seed),
        "num_test": sum(fold["num_test"] for fold in folds),
        "num_train": max(fold["num_train"] for fold in folds),
        "num_classes": len(task.glosses),
        "intervals": intervals(tested, generator, heartbeat=heartbeat),
        "intervals_over": resampled_over(tested),
        "deviations": _deviations(by_seed),
        "seeds": list(seeds),
        "transfer": None if task.transfer is None else asdict(task.transfer),
        "folds": folds,
        "per_class": _class_table(task, tested),
        "confusions": _confusions(task, [(each.fold, each.outcomes) for each in scored]),
    }


def _scored_fold(task: Task, scored: Scored) -> ScoredFold:
    test = scored.fold.test
    source = task.located(test)
    signers = source.corpus.signers[source.clips].astype(np.int64)
    return ScoredFold(averaged(scored.outcomes), task.labels[test], signers)


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


def _class_table(task: Task, folds: Sequence[ScoredFold]) -> list[dict[str, Any]]:
    """Return for each gloss its number of test clips in all folds and their mean scores; null for none."""
    labels = np.concatenate([fold.labels for fold in folds])
    counts = np.bincount(labels, minlength=len(task.glosses))
    rows: list[dict[str, Any]] = [
        {"gloss": gloss, "num_test": int(count)} for gloss, count in zip(task.glosses, counts, strict=True)
    ]
    for name in folds[0].per_clip:
        values = np.concatenate([fold.per_clip[name] for fold in folds])
        sums = np.bincount(labels, values, minlength=len(task.glosses))
        for row, total in zip(rows, sums, strict=True):
            row[name] = float(total) / row["num_test"] if row["num_test"] else None
    return rows


def _confusions(
    task: Task, folds: Iterable[tuple[Fold, Sequence[Outcome]]]
) -> list[tuple[str, str, int]] | None:
    """Return the non-zero entries of the confusion matrix, over all folds and seeds, the largest first.

    An entry is (true gloss, predicted gloss, count). None for protocols without predictions.
    """
    pairs: Counter[tuple[int, int]] = Counter()
    for fold, outcomes in folds:
        for outcome in outcomes:
            if outcome.predicted is None:
                return None
            pairs.update(zip(task.labels[fold.test].tolist(), outcome.predicted.tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(task.glosses[true], task.glosses[taken], count) for (true, taken), count in ordered]
