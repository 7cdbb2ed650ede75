"""What stands on two sides of a fold: clips with identical points, whatever their names, and signers."""

import hashlib

import numpy as np

from core.errors import SplitError
from core.evaluation.folds import Fold
from core.evaluation.task import Source, Task
from core.search.neighbours import Meanwhile

_AT_ONCE = 256
"""Clips digested between two signs of life."""


def contents_of(task: Task, meanwhile: Meanwhile) -> list[bytes]:
    """A digest of each clip's points, equal only where the points are; reads every clip once."""
    return [digest for source in task.sources for digest in _contents(source, meanwhile)]


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


def shared_signers(task: Task, fold: Fold) -> list[str]:
    """Names of signers who are trained and tested on; scores with any are inflated.

    Signers are compared within a corpus: two corpora may call different people alike.
    """
    train, test = (task.located(side) for side in (fold.train, fold.test))
    if train.corpus.digest != test.corpus.digest:
        return []
    both = np.intersect1d(*(source.corpus.signers[source.clips] for source in (train, test)))
    return [test.corpus.signer_names[signer] for signer in both if signer >= 0]


def _contents(source: Source, meanwhile: Meanwhile) -> list[bytes]:
    points, offsets, digests = source.corpus.points, source.corpus.offsets, []
    for number, clip in enumerate(source.clips):
        if number % _AT_ONCE == 0:
            meanwhile()
        frames = np.ascontiguousarray(points[offsets[clip] : offsets[clip + 1]])
        digests.append(hashlib.sha256(frames.data).digest())
    return digests


def _name(task: Task, position: int) -> str:
    located = task.located(np.array([position]))
    return located.corpus.clip_name(int(located.clips[0]))
