"""Which fitting clips have their labels used: a fraction of each gloss', or so many of each; seeded."""

import numpy as np
from jaxtyping import Int64

from core.errors import SplitError
from core.evaluation.folds import Fold
from core.evaluation.task import Task
from core.specs.jobs import EvaluateSpec
from core.training.randomness import derived_seed

_NEARLY = 1.2
"""A share that is larger by more than this is another one."""


def fitted_on(
    fold: Fold, labels: Int64[np.ndarray, " n"], spec: EvaluateSpec, *, seed: int
) -> Int64[np.ndarray, " M"]:
    """The train clips of a fold whose labels may be used.

    Raises:
        SplitError: there is none.
    """
    train = labelled(fold.train, labels, spec, seed=seed)
    if len(train) == 0:
        raise SplitError(
            f"label_fraction {spec.label_fraction} leaves fold {fold.name!r} no label of its "
            f"{len(fold.train)} train clips; raise it, or set every_gloss (--every-gloss)."
        )
    return train


def labelled(
    positions: Int64[np.ndarray, " N"], labels: Int64[np.ndarray, " n"], spec: EvaluateSpec, *, seed: int
) -> Int64[np.ndarray, " M"]:
    """Those of `positions` whose labels may be used, ascending; `labels` are indexed by position.

    Stratified by gloss. Of n clips a `label_fraction` f takes f n, rounded down or up by a draw so that it is
    f n in the mean, and at least one where `every_gloss` asks for that; `labels_per_gloss` k takes k, or all
    n. With one seed the clips of a smaller draw are among those of a larger one.
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
    train: Int64[np.ndarray, " N"], labels: Int64[np.ndarray, " n"], spec: EvaluateSpec
) -> dict[str, int]:
    """How many clips were fitted on, how many glosses have none, and how many fewer than asked for."""
    counts = np.bincount(labels[train], minlength=int(labels.max()) + 1)
    facts = {"num_train": len(train), "num_classes_without_train": int((counts == 0).sum())}
    if spec.labels_per_gloss is not None:
        facts["num_classes_with_fewer"] = int((counts < spec.labels_per_gloss).sum())
    return facts


def remarks_on_labels(task: Task, spec: EvaluateSpec, num_train: int) -> list[str]:
    """What to know where a fraction took far more than it says; `num_train` is the largest of any fold."""
    if spec.labels_per_gloss is not None or spec.label_fraction == 1:
        return []
    share = num_train / max(len(fold.train) for fold in task.folds)
    if share <= spec.label_fraction * _NEARLY:
        return []
    return [
        f"label_fraction {spec.label_fraction:g} used {share:.1%} of the labels, because each gloss keeps at "
        "least one clip; set every_gloss to false (--no-every-gloss) to use what it says."
    ]


def _drawn(
    of_gloss: Int64[np.ndarray, " n"], spec: EvaluateSpec, generator: np.random.Generator
) -> Int64[np.ndarray, " m"]:
    shuffled, luck = generator.permutation(of_gloss), generator.random()
    if spec.labels_per_gloss is not None:
        return shuffled[: spec.labels_per_gloss]
    wanted = int(np.floor(spec.label_fraction * len(of_gloss) + luck))
    return shuffled[: max(wanted, int(spec.every_gloss))]
