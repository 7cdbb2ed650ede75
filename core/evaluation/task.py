"""Data of an evaluation: labelled clips of one or two corpora, glosses and folds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from core.corpora.packed import PackedCorpus
from core.corpora.split_names import VAL
from core.errors import SplitError
from core.evaluation.folds import Fold, divided, folds_of
from core.specs.jobs import ClipSelection, EvaluateSpec
from core.specs.plain_names import plain_name


@dataclass(frozen=True)
class CorpusClips:
    """Selected clips of one corpus."""

    corpus: PackedCorpus
    clips: Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class Transfer:
    """Cross-corpus evaluation: the glosses that two corpora share by name, and those that they do not."""

    test_corpus: str
    shared_glosses: tuple[str, ...]
    only_in_corpus: tuple[str, ...]
    only_in_test_corpus: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """Clips to classify by gloss. Positions (of folds and labels) index the concatenated sources.

    `labels` (n,) are indices into `glosses`. Each side of a fold lies in one source.
    """

    sources: tuple[CorpusClips, ...]
    labels: Int64[np.ndarray, " n"]
    glosses: tuple[str, ...]
    folds: tuple[Fold, ...]
    transfer: Transfer | None = None

    def located(self, positions: Int64[np.ndarray, " m"]) -> CorpusClips:
        """Return the clips at these positions, which must be of one source."""
        first = 0
        for source in self.sources:
            if len(positions) == 0 or positions.max() < first + len(source.clips):
                assert (positions >= first).all(), "a side of a fold lies in one source"
                return CorpusClips(source.corpus, source.clips[positions - first])
            first += len(source.clips)
        raise IndexError(f"There is no position {positions.max()} among {first} clips.")


def task_of(spec: EvaluateSpec) -> Task:
    """Open the corpora and select clips, glosses and folds as `spec` says.

    Raises:
        CorpusError: a corpus cannot be read.
        SplitError: no labelled clips, fewer than two glosses, no shared gloss, or an empty side.
    """
    corpus = PackedCorpus.open(spec.corpus)
    chosen = labelled_clips(corpus, spec.clips)
    if spec.test_corpus is not None:
        return _transfer(CorpusClips(corpus, chosen), PackedCorpus.open(spec.test_corpus), spec)
    folds = tuple(folds_of(corpus, chosen, spec))
    classes, labels = np.unique(corpus.labels[chosen], return_inverse=True)
    glosses = tuple(corpus.label_names[each] for each in classes)
    _check_glosses(glosses, f"of corpus {corpus.name!r} is selected")
    return Task((CorpusClips(corpus, chosen),), labels.astype(np.int64), glosses, folds)


def labelled_clips(corpus: PackedCorpus, selection: ClipSelection) -> Int64[np.ndarray, " n"]:
    """Return the selected clips that have a label.

    Raises:
        SplitError: there are none.
    """
    chosen = corpus.select(selection)
    chosen = chosen[corpus.labels[chosen] >= 0]
    if len(chosen) == 0:
        raise SplitError(
            f"No labelled clip of corpus {corpus.name!r} is selected, but an evaluation needs labels. "
            "Import it again with the glosses (names of the signs) of its clips, for example in a labels.csv "
            "with the columns name and gloss, or select more clips with `clips`."
        )
    return chosen


def _transfer(fitted: CorpusClips, test_corpus: PackedCorpus, spec: EvaluateSpec) -> Task:
    """Return the task of fitting on one corpus and scoring on another, on the glosses they share by name."""
    tested = CorpusClips(test_corpus, labelled_clips(test_corpus, spec.test_clips))
    theirs, ours = set(_glosses(tested)), set(_glosses(fitted))
    shared = tuple(sorted(ours & theirs))
    if not shared:
        raise SplitError(
            f"Corpora {fitted.corpus.name!r} and {test_corpus.name!r} share no gloss by name: one has "
            f"{some(ours)}, the other {some(theirs)}. Import both with equal gloss names, or widen `clips`."
        )
    _check_glosses(shared, f"is shared by corpora {fitted.corpus.name!r} and {test_corpus.name!r}")
    fitted, tested = _restricted(fitted, shared), _restricted(tested, shared)
    labels = np.concatenate([_labels(fitted, shared), _labels(tested, shared)])
    transfer = Transfer(test_corpus.name, shared, tuple(sorted(ours - theirs)), tuple(sorted(theirs - ours)))
    return Task((fitted, tested), labels, shared, (_transfer_fold(fitted, tested, spec),), transfer)


def _transfer_fold(fitted: CorpusClips, tested: CorpusClips, spec: EvaluateSpec) -> Fold:
    names = fitted.corpus.split_names
    in_val = fitted.corpus.splits[fitted.clips] == (names.index(VAL) if VAL in names else -1)
    train, val = divided(np.flatnonzero(~in_val), np.flatnonzero(in_val), spec)
    if len(train) == 0:
        raise SplitError(
            f"All selected clips of corpus {fitted.corpus.name!r} with a shared gloss are in its split "
            f"{VAL!r}, so there is no clip to fit on. Widen `clips`, or set train_on_val."
        )
    test = len(fitted.clips) + np.arange(len(tested.clips))
    return Fold(tested.corpus.name, train, test, val)


def _glosses(source: CorpusClips) -> Iterator[str]:
    names = source.corpus.label_names
    return (plain_name(names[each]) for each in np.unique(source.corpus.labels[source.clips]))


def _restricted(source: CorpusClips, glosses: tuple[str, ...]) -> CorpusClips:
    names = source.corpus.label_names
    wanted = [place for place, name in enumerate(names) if plain_name(name) in set(glosses)]
    return CorpusClips(source.corpus, source.clips[np.isin(source.corpus.labels[source.clips], wanted)])


def _labels(source: CorpusClips, glosses: tuple[str, ...]) -> Int64[np.ndarray, " n"]:
    place = {name: index for index, name in enumerate(glosses)}
    names = map(plain_name, source.corpus.label_names)
    of_label = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    return of_label[source.corpus.labels[source.clips]]


def _check_glosses(glosses: tuple[str, ...], what: str) -> None:
    if len(glosses) < 2:
        raise SplitError(f"Only gloss {glosses[0]!r} {what}, but two or more are needed. Widen `clips`.")


def some(names: Iterable[str], most: int = 5) -> str:
    """Return up to `most` of these names in quotes, and how many there are besides."""
    names = list(names)
    listed = ", ".join(map(repr, sorted(names)[:most]))
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
