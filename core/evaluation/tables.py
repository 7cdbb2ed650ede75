"""Which glosses are recognised, and what the others are taken for."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from core.evaluation.bootstrap import ScoredFold
from core.evaluation.folds import Fold
from core.evaluation.outcome import Outcome
from core.evaluation.task import Task


def class_table(task: Task, folds: Sequence[ScoredFold]) -> list[dict[str, Any]]:
    """For each gloss its test clips in all folds and their mean scores over seeds, null where it has none."""
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


def confusions(
    task: Task, folds: Iterable[tuple[Fold, Sequence[Outcome]]]
) -> list[tuple[str, str, int]] | None:
    """The confusion matrix without its zeros: gloss, gloss it was taken for, times (of all folds and seeds).

    The largest first; None for protocols that take no clip for a gloss.
    """
    pairs: Counter[tuple[int, int]] = Counter()
    for fold, outcomes in folds:
        for outcome in outcomes:
            if outcome.predicted is None:
                return None
            pairs.update(zip(task.labels[fold.test].tolist(), outcome.predicted.tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(task.glosses[true], task.glosses[taken], count) for (true, taken), count in ordered]
