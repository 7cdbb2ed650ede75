"""Draws the labelled subset for few-label evaluation: a fraction or a number of clips per gloss, by seed."""

import numpy as np
from jaxtyping import Int64

from core.errors import SplitError
from core.evaluation.folds import Fold
from core.evaluation.task import Task
from core.specs.jobs import EvaluateSpec
from core.training.randomness import derived_seed

_NEARLY = 1.2
"""A remark is made if the used fraction is above the requested one by more than this factor."""


def fitted_on(
    fold: Fold, labels: Int64[np.ndarray, " n"], spec: EvaluateSpec, *, seed: int
) -> Int64[np.ndarray, " M"]:
    """Return the training clips of a fold whose labels may be used.

    Raises:
        SplitError: there are none.
    """
    train = labelled(fold.train, labels, spec, seed=seed)
    if len(train) == 0:
        raise SplitError(
            f"label_fraction {spec.label_fraction} selects no label of the {len(fold.train)} training clips "
            f"of fold {fold.name!r}; raise it, or set every_gloss (--every-gloss)."
        )
    return train


def labelled(
    positions: Int64[np.ndarray, " N"], labels: Int64[np.ndarray, " n"], spec: EvaluateSpec, *, seed: int
) -> Int64[np.ndarray, " M"]:
    """Return those of `positions` whose labels may be used, ascending; `labels` are indexed by position.

    The draw is stratified by gloss. Of n clips a `label_fraction` f takes f n, rounded down or up at random
    so that the expectation is f n, and at least one with `every_gloss`. `labels_per_gloss` k takes k, or all
    n if there are fewer. With the same seed, a smaller draw is a subset of a larger one.
    """
    if spec.label_fraction == 1 and spec.labels_per_gloss is None:
        return positions
    generator = np.random.default_rng(derived_seed(seed, "labels"))
    kept = [
        _drawn(positions[labels[positions] == gloss], spec, generator)
        for gloss in np.unique(labels[positions])
    ]
    return np.sort(np.concatenate([positions[:0], *kept]))


def train_facts(
    train: Int64[np.ndarray, " N"],
    test: Int64[np.ndarray, " M"],
    labels: Int64[np.ndarray, " n"],
    spec: EvaluateSpec,
) -> dict[str, int]:
    """Count training clips, glosses without any, their test clips, and glosses with fewer than requested."""
    counts = np.bincount(labels[train], minlength=int(labels.max()) + 1)
    facts = {
        "num_train": len(train),
        "num_classes_without_train": int((counts == 0).sum()),
        "num_test_without_train": int((counts[labels[test]] == 0).sum()),
    }
    if spec.labels_per_gloss is not None:
        facts["num_classes_with_fewer"] = int((counts < spec.labels_per_gloss).sum())
    return facts


def remarks_on_labels(task: Task, spec: EvaluateSpec, num_train: int) -> list[str]:
    """Return a remark if far more labels were used than `label_fraction`.

    `num_train` is the largest number over folds.
    """
    if spec.labels_per_gloss is not None or spec.label_fraction == 1:
        return []
    share = num_train / max(len(fold.train) for fold in task.folds)
    if share <= spec.label_fraction * _NEARLY:
        return []
    return [
        f"label_fraction {spec.label_fraction:g} used {share:.1%} of the labels, because each gloss keeps at "
        "least one clip; set every_gloss to false (--no-every-gloss) to use exactly that fraction."
    ]


def _drawn(
    of_gloss: Int64[np.ndarray, " n"], spec: EvaluateSpec, generator: np.random.Generator
) -> Int64[np.ndarray, " m"]:
    shuffled, rounding = generator.permutation(of_gloss), generator.random()
    if spec.labels_per_gloss is not None:
        return shuffled[: spec.labels_per_gloss]
    wanted = int(np.floor(spec.label_fraction * len(of_gloss) + rounding))
    return shuffled[: max(wanted, int(spec.every_gloss))]
