"""The sides that a leak audit compares: splits, leave-one-out folds, or a random split."""

from itertools import combinations

import numpy as np
from jaxtyping import Int64

from core.corpora import fold_advice
from core.corpora.contents import clip_digests
from core.corpora.packed import PackedCorpus
from core.corpora.split_names import TRAIN
from core.corpora.splits import ClipFacts, assign_splits
from core.errors import SplitError
from core.evaluation.folds import Fold, folds_of
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import EvaluateSpec, LeakAuditSpec


def sides_of(corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"], spec: LeakAuditSpec) -> list[Fold]:
    """Divide the selected clips as `spec.folds` says; for `split`, return every pair of splits.

    Raises:
        SplitError: there are fewer than two sides to compare.
    """
    if spec.folds == "split":
        return _each_two_splits(corpus, chosen)
    if spec.folds == "random":
        return [_random(corpus, chosen, spec)]
    protocol = EvaluateSpec(corpus=spec.corpus, features="keypoints", folds=spec.folds, clips=spec.clips)
    return folds_of(corpus, chosen, protocol)


def has_training_side(fold: Fold, spec: LeakAuditSpec) -> bool:
    """Whether the first side is a training set; false for the pair of val and test."""
    return spec.folds != "split" or fold.name.startswith(f"{TRAIN} / ")


def merged(folds: list[Fold], *, at_most: int) -> list[Fold]:
    """Merge leave-one-out folds into at most `at_most` folds, each of which leaves out several groups."""
    if len(folds) <= at_most:
        return folds
    everyone = np.union1d(folds[0].train, folds[0].test)
    tests = [
        np.sort(np.concatenate([fold.test for fold in folds[first::at_most]])) for first in range(at_most)
    ]
    return [
        Fold(f"group {number}", train=np.setdiff1d(everyone, test), test=test)
        for number, test in enumerate(tests, start=1)
    ]


def _each_two_splits(corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"]) -> list[Fold]:
    splits = corpus.splits[chosen]
    sides = {name: np.flatnonzero(splits == place) for place, name in enumerate(corpus.split_names)}
    filled = [(name, clips) for name, clips in sides.items() if len(clips)]
    if len(filled) < 2:
        raise SplitError(
            f"The selected clips of corpus {corpus.name!r} are all in split "
            f"{', '.join(repr(name) for name, _ in filled)}, but a leak audit compares two. Set folds to "
            f"'random' (--folds random), or import it with {fold_advice.other_split(corpus.signer_names)}."
        )
    return [
        Fold(f"{one} / {other}", train=ours, test=theirs)
        for (one, ours), (other, theirs) in combinations(filled, 2)
    ]


def _random(corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"], spec: LeakAuditSpec) -> Fold:
    """Return the fold that an import with split.by `random` would make of these clips."""
    facts = ClipFacts(
        names=[corpus.clip_name(clip) for clip in chosen.tolist()],
        labels=corpus.labels[chosen],
        signers=corpus.signers[chosen],
        sessions=corpus.sessions[chosen],
        given=[None] * len(chosen),
        contents=clip_digests(corpus, chosen),
        label_names=corpus.label_names,
        signer_names=corpus.signer_names,
        session_names=corpus.session_names,
    )
    config = SplitConfig(by="random", test_fraction=spec.test_fraction, seed=spec.seed, allow_overlap=True)
    in_test = assign_splits(facts, config).splits != 0
    return Fold("random", train=np.flatnonzero(~in_test), test=np.flatnonzero(in_test))
