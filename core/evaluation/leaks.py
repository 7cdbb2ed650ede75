"""Checks the overlap between train, val and test of a fold: identical clips and shared signers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int64

from core.corpora.contents import clip_digests
from core.errors import SplitError
from core.evaluation.folds import Fold
from core.evaluation.task import Task, some
from core.program.heartbeat import Heartbeat

_COMPARED = {
    "shared_signers": ("train", "test"),
    "shared_signers_val_test": ("val", "test"),
    "shared_signers_train_val": ("train", "val"),
}
"""Pairs of sides that should not share a signer, by the result field that lists shared signers."""
_REMARKS = {
    "shared_signers": "Fold {} has signers in both train and test ({}), which inflates its scores.",
    "shared_signers_val_test": (
        "Fold {} has signers in both val, which selects its epoch, and test ({}), which inflates its scores."
    ),
    "shared_signers_train_val": (
        "Fold {} has signers in both train and val ({}), which biases the selection of its epoch."
    ),
}


def task_contents(task: Task, heartbeat: Heartbeat) -> list[bytes]:
    """Return a digest of each clip's points, for finding identical clips; reads every clip once."""
    return [
        digest for source in task.sources for digest in clip_digests(source.corpus, source.clips, heartbeat)
    ]


def refuse_identical(task: Task, contents: list[bytes]) -> None:
    """Reject folds in which two of train, val and test contain an identical clip.

    Raises:
        SplitError: there is such a pair; the message names it.
    """
    for fold in task.folds:
        first: dict[bytes, tuple[str, int]] = {}
        for side, positions in (("train", fold.train), ("val", fold.val), ("test", fold.test)):
            for position in positions.tolist():
                other, twin = first.setdefault(contents[position], (side, position))
                if other != side:
                    raise SplitError(
                        f"Clips {_name(task, twin)!r} and {_name(task, position)!r} are identical, but one "
                        f"is in {other} and one in {side} of fold {fold.name!r}, which would inflate the "
                        "scores. Remove one of them, or set allow_identical_clips."
                    )


def refuse_shared_signers(task: Task) -> None:
    """Reject folds in which a named signer is in both train and test; the message names them.

    Raises:
        SplitError: there is such a signer.
    """
    for fold in task.folds:
        if shared := _shared(task, fold.train, fold.test):
            raise SplitError(
                f"Protocol 'dictionary' tests signers that are not in the dictionary, but fold {fold.name!r} "
                f"has {some(shared)} in both train and test. Set folds to 'each_signer' "
                "(--folds each_signer), import the corpus with --split-by signer, or use protocol 'knn', "
                "which reports such signers."
            )


def num_identical(fold: Fold, contents: list[bytes]) -> int:
    """Return the number of test clips that are identical to a clip in train or val."""
    known = {contents[position] for position in (*fold.train, *fold.val)}
    return sum(contents[position] in known for position in fold.test)


def shared_signers(task: Task, fold: Fold, *, val_chooses: bool) -> dict[str, list[str]]:
    """Return the names of signers on two sides of a fold, by result field; empty if there is no overlap.

    `val_chooses`: an epoch is selected on val, so its signers count. Signers are compared within a corpus
    only, because different signers of two corpora may have the same name.
    """
    sides = {"train": fold.train, "val": fold.val if val_chooses else fold.val[:0], "test": fold.test}
    return {name: _shared(task, sides[one], sides[other]) for name, (one, other) in _COMPARED.items()}


def remarks_on_signers(fold: Fold, shared: Mapping[str, Any]) -> list[str]:
    """Return remarks on a fold's signers, from `shared_signers`, and `without_signer` under its name."""
    remarks = [
        remark.format(fold.name, ", ".join(shared[name])) for name, remark in _REMARKS.items() if shared[name]
    ]
    if unnamed := shared["without_signer"]:
        remarks.append(
            f"{unnamed['train']} train and {unnamed['test']} test clips of fold {fold.name} have no signer "
            "name, so signers in both train and test cannot be detected."
        )
    return remarks


def without_signer(task: Task, fold: Fold) -> dict[str, int] | None:
    """Count train and test clips that do not name their signer; None if one side or the corpora tell all."""
    train, test = (task.located(side) for side in (fold.train, fold.test))
    unnamed = [int((source.corpus.signers[source.clips] < 0).sum()) for source in (train, test)]
    if train.corpus.digest != test.corpus.digest or not all(unnamed):
        return None
    return dict(zip(("train", "test"), unnamed, strict=True))


def _shared(task: Task, one: Int64[np.ndarray, " N"], other: Int64[np.ndarray, " M"]) -> list[str]:
    if len(one) == 0 or len(other) == 0:
        return []
    ours, theirs = task.located(one), task.located(other)
    if ours.corpus.digest != theirs.corpus.digest:
        return []
    both = np.intersect1d(*(source.corpus.signers[source.clips] for source in (ours, theirs)))
    return [theirs.corpus.signer_names[signer] for signer in both if signer >= 0]


def _name(task: Task, position: int) -> str:
    located = task.located(np.array([position]))
    return located.corpus.clip_name(int(located.clips[0]))
