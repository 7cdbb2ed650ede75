"""What stands on two sides of a fold: clips with identical points, whatever their names, and signers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int64

from core.corpora.contents import clip_digests
from core.errors import SplitError
from core.evaluation.folds import Fold
from core.evaluation.task import Task
from core.program.heartbeat import Heartbeat

_COMPARED = {
    "shared_signers": ("train", "test"),
    "shared_signers_val_test": ("val", "test"),
    "shared_signers_train_val": ("train", "val"),
}
"""Sides that no signer should have in common, by a result's name for those who are on both."""
_REMARKS = {
    "shared_signers": "Fold {} trains and tests on {}: its scores reward knowing the signer.",
    "shared_signers_val_test": (
        "Fold {} chooses its epoch on {} (val) and tests on them: its scores reward knowing the signer."
    ),
    "shared_signers_train_val": (
        "Fold {} trains on {} and chooses its epoch on them (val): an epoch that knows the signer may win."
    ),
}


def task_contents(task: Task, heartbeat: Heartbeat) -> list[bytes]:
    """A digest of each clip's points, equal only where the points are; reads every clip once."""
    return [
        digest for source in task.sources for digest in clip_digests(source.corpus, source.clips, heartbeat)
    ]


def refuse_identical(task: Task, contents: list[bytes]) -> None:
    """Refuse folds in which the same points stand on two sides (train, val, test).

    Raises:
        SplitError: names a pair of such clips.
    """
    for fold in task.folds:
        first: dict[bytes, tuple[str, int]] = {}
        for side, positions in (("train", fold.train), ("val", fold.val), ("test", fold.test)):
            for position in positions.tolist():
                other, twin = first.setdefault(contents[position], (side, position))
                if other != side:
                    raise SplitError(
                        f"Clips {_name(task, twin)!r} and {_name(task, position)!r} are identical, but one "
                        f"is in {other} and one in {side} of fold {fold.name!r}: scores would reward "
                        "remembering it. Remove one of them, or set allow_identical_clips."
                    )


def num_identical(fold: Fold, contents: list[bytes]) -> int:
    """How many test clips have the points of a clip that is fitted on, or that an epoch is chosen on."""
    known = {contents[position] for position in (*fold.train, *fold.val)}
    return sum(contents[position] in known for position in fold.test)


def shared_signers(task: Task, fold: Fold, *, val_chooses: bool) -> dict[str, list[str]]:
    """Names of signers who are on two sides of a fold, by a result's names for them; none is clean.

    Those of val count where it chooses something. Signers are compared within a corpus: two corpora may call
    different people alike.
    """
    sides = {"train": fold.train, "val": fold.val if val_chooses else fold.val[:0], "test": fold.test}
    return {name: _shared(task, sides[one], sides[other]) for name, (one, other) in _COMPARED.items()}


def remarks_on_signers(task: Task, fold: Fold, shared: Mapping[str, Any]) -> list[str]:
    """What a person should know of a fold's signers; `shared` has what `shared_signers` found."""
    told = [
        remark.format(fold.name, ", ".join(shared[name])) for name, remark in _REMARKS.items() if shared[name]
    ]
    train, test = (task.located(side) for side in (fold.train, fold.test))
    unnamed = [int((source.corpus.signers[source.clips] < 0).sum()) for source in (train, test)]
    if train.corpus.digest == test.corpus.digest and all(unnamed):
        told.append(
            f"{unnamed[0]} train and {unnamed[1]} test clips of fold {fold.name} do not name their signer: "
            "whether somebody is on both sides is not known."
        )
    return told


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
