"""Cross-validation folds: the corpus' split, or leave-one-out over signers or sessions."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from core.corpora import fold_advice
from core.corpora.packed import PackedCorpus
from core.corpora.split_names import TEST, TRAIN, VAL
from core.errors import SplitError
from core.specs.jobs import EvaluateSpec


def _no_clips() -> Int64[np.ndarray, " 0"]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Fold:
    """A fold: positions among the selected clips for fitting, for scoring, and for selecting an epoch."""

    name: str
    train: Int64[np.ndarray, " N"]
    test: Int64[np.ndarray, " M"]
    val: Int64[np.ndarray, " V"] = field(default_factory=_no_clips)


def folds_of(corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"], spec: EvaluateSpec) -> list[Fold]:
    """Divide the selected clips as `spec.folds` says.

    Raises:
        SplitError: a side is empty, or there are fewer than two signers or sessions.
    """
    if spec.folds == "split":
        splits = corpus.splits[chosen]
        sides = {name: np.flatnonzero(splits == place) for place, name in enumerate(corpus.split_names)}
        train, val = divided(sides.get(TRAIN, _no_clips()), sides.get(VAL, _no_clips()), spec)
        return [_fold(TEST, train, sides.get(TEST, _no_clips()), corpus, val)]
    noun = spec.folds.removeprefix("each_")
    signers = noun == "signer"
    groups, names = (
        (corpus.signers, corpus.signer_names) if signers else (corpus.sessions, corpus.session_names)
    )
    present = np.unique(groups[chosen])
    if present[0] < 0:
        nameless = int((groups[chosen] < 0).sum())
        named = [names[group] for group in present if group >= 0]
        raise SplitError(fold_advice.nameless(spec.folds, noun, nameless, named, corpus.name))
    if len(present) < 2:
        where = f"the selected clips of corpus {corpus.name!r} have"
        raise SplitError(fold_advice.too_few_groups(spec.folds, noun, len(present), where))
    return [
        _fold(
            names[group],
            np.flatnonzero(groups[chosen] != group),
            np.flatnonzero(groups[chosen] == group),
            corpus,
        )
        for group in present
    ]


def divided(
    train: Int64[np.ndarray, " N"], val: Int64[np.ndarray, " V"], spec: EvaluateSpec
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " v"]]:
    """Return the clips to fit on and the clips to select an epoch on; `train_on_val` merges both."""
    return (np.sort(np.concatenate([train, val])), _no_clips()) if spec.train_on_val else (train, val)


def _fold(
    name: str, train: np.ndarray, test: np.ndarray, corpus: PackedCorpus, val: np.ndarray | None = None
) -> Fold:
    if len(train) == 0 or len(test) == 0:
        raise SplitError(
            f"Fold {name!r} of corpus {corpus.name!r} has {len(train)} train and "
            f"{len(test)} test clips; both are needed. The corpus' splits are {corpus.splits_summary}. "
            f"Import it with {fold_advice.other_split(corpus.signer_names)}, or fit on another "
            "corpus and score on this one as test_corpus "
            "(--test-corpus)."
        )
    return Fold(name, train, test, _no_clips() if val is None else val)
