"""Tables of an evaluation's result: scores of each gloss and signer, rank of each clip, confusions."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from core.evaluation.bootstrap import ScoredFold, intervals
from core.evaluation.folds import Fold
from core.evaluation.outcome import Outcome, averaged, scores_of
from core.evaluation.task import Task
from core.program.heartbeat import Heartbeat


@dataclass(frozen=True)
class EvaluatedFold:
    """A fold with its outcomes, one for each seed, and their means over seeds for each test clip."""

    fold: Fold
    outcomes: Sequence[Outcome]
    scored: ScoredFold
    signer_names: Sequence[str]

    @classmethod
    def of(cls, task: Task, fold: Fold, outcomes: Sequence[Outcome]) -> "EvaluatedFold":
        """Look up the gloss and the signer of each test clip."""
        source = task.located(fold.test)
        signers = source.corpus.signers[source.clips].astype(np.int64)
        scored = ScoredFold(averaged(outcomes), task.labels[fold.test], signers)
        return cls(fold, outcomes, scored, source.corpus.signer_names)

    def signer_name(self, signer: int) -> str | None:
        """Return a signer's name; None if unknown."""
        return self.signer_names[signer] if signer >= 0 else None


def class_table(task: Task, folds: Sequence[EvaluatedFold]) -> list[dict[str, Any]]:
    """Return for each gloss its number of test clips in all folds and their mean scores; null for none."""
    every = _joined(folds)
    counts = np.bincount(every.labels, minlength=len(task.glosses))
    rows: list[dict[str, Any]] = [
        {"gloss": gloss, "num_test": int(count)} for gloss, count in zip(task.glosses, counts, strict=True)
    ]
    for name, values in every.per_clip.items():
        sums = np.bincount(every.labels, values, minlength=len(task.glosses))
        for row, total in zip(rows, sums, strict=True):
            row[name] = float(total) / row["num_test"] if row["num_test"] else None
    return rows


def signer_table(
    folds: Sequence[EvaluatedFold], generator: np.random.Generator, *, heartbeat: Heartbeat
) -> list[dict[str, Any]]:
    """Return for each test signer the number of their clips in all folds, their scores, and intervals.

    The intervals are over the signer's clips. Clips without a signer are a row whose signer is null, the
    first. `heartbeat` is called between blocks of resamples.
    """
    every, rows = _joined(folds), []
    for signer in np.unique(every.signers).tolist():
        own = _part(every, every.signers == signer)
        row = {"signer": folds[0].signer_name(signer), "num_test": len(own.labels)}
        found = intervals([own], generator, heartbeat=heartbeat)
        rows.append({**row, **scores_of(own.per_clip, own.labels), "intervals": found})
    return rows


def clip_table(task: Task, folds: Sequence[EvaluatedFold]) -> list[dict[str, Any]] | None:
    """Return for each test clip of each fold the rank of its right answer under each seed.

    A rank is null if the right answer is not among the ranked ones. None if ranks are unknown.
    """
    if any(outcome.ranks is None for fold in folds for outcome in fold.outcomes):
        return None
    return [row for fold in folds for row in _clip_rows(task, fold)]


def confusions(task: Task, folds: Sequence[EvaluatedFold]) -> list[tuple[str, str, int]] | None:
    """Return the non-zero entries of the confusion matrix, over all folds and seeds, the largest first.

    An entry is (true gloss, predicted gloss, count). None for protocols without predictions.
    """
    pairs: Counter[tuple[int, int]] = Counter()
    for fold in folds:
        for outcome in fold.outcomes:
            if outcome.predicted is None:
                return None
            pairs.update(zip(fold.scored.labels.tolist(), outcome.predicted.tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(task.glosses[true], task.glosses[taken], count) for (true, taken), count in ordered]


def _clip_rows(task: Task, tested: EvaluatedFold) -> Iterator[dict[str, Any]]:
    source = task.located(tested.fold.test)
    ranks = np.stack([outcome.ranks for outcome in tested.outcomes if outcome.ranks is not None], axis=1)
    columns = (source.clips, tested.scored.labels, tested.scored.signers, ranks)
    for clip, label, signer, of_clip in zip(*(column.tolist() for column in columns), strict=True):
        yield {
            "fold": tested.fold.name,
            "clip": source.corpus.clip_name(clip),
            "signer": tested.signer_name(signer),
            "gloss": task.glosses[label],
            "ranks": [int(rank) if math.isfinite(rank) else None for rank in of_clip],
        }


def _joined(folds: Sequence[EvaluatedFold]) -> ScoredFold:
    """Return the test clips of all folds as one."""
    scored = [fold.scored for fold in folds]
    return ScoredFold(
        {name: np.concatenate([each.per_clip[name] for each in scored]) for name in scored[0].per_clip},
        np.concatenate([each.labels for each in scored]),
        np.concatenate([each.signers for each in scored]),
    )


def _part(scored: ScoredFold, chosen: Bool[np.ndarray, " M"]) -> ScoredFold:
    per_clip = {name: values[chosen] for name, values in scored.per_clip.items()}
    return ScoredFold(per_clip, scored.labels[chosen], scored.signers[chosen])
