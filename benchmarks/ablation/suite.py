"""The suite: its corpora, and for each the folds, in which some signers or sessions are left out.

Choices are made on some of the corpora and confirmed on the others, so a recipe has to hold on all of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from ablation.made_up import made_up_clips

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec, SplitConfig
from core.specs.jobs import ClipSelection, MoreClips

IDLE = "-"
"""Gloss of clips without a sign, in the recordings of real signers."""
_FIRST_LATER_DAY = "2022-03-07"
"""Of `words`: a probe is fitted on the days before, and scored on this one and those after."""
_MADE_UP = SyntheticConfig(num_signs=20, num_signers=6, takes_per_sign=5)
_MOST_SIGNERS = 3


@dataclass(frozen=True)
class Fold:
    """Clips of a corpus to learn from, `known`, and clips to score, `asked`, of glosses that are known."""

    corpus: str
    path: str
    name: str
    known: ClipSelection
    asked: ClipSelection
    others: tuple[MoreClips, ...] = ()
    """Clips of the other recorded corpora, without the people who are scored."""
    made_up: tuple[MoreClips, ...] = ()
    more_made_up: Mapping[int, tuple[MoreClips, ...]] = field(default_factory=dict)
    """Number of clips -> clips of made-up signers who are not scored."""

    @property
    def digest(self) -> str:
        """The corpus' digest, shortened."""
        return PackedCorpus.open(self.path).digest[:16]

    @property
    def facts(self) -> dict[str, str]:
        """What a result says of its fold."""
        return {"corpus": self.corpus, "digest": self.digest, "fold": self.name}


def folds(data: Path | None, made: Path, wanted: tuple[str, ...], amounts: Iterable[int] = ()) -> list[Fold]:
    """Import the corpora from the folder `data` into `made`, and return the folds of the wanted ones.

    `amounts`: numbers of clips of more made-up signers.
    """
    more = {count: made_up_clips(count, made) for count in amounts}
    named = {name: _corpus(name, data, made) for name in CORPORA if name == MADE_UP or data is not None}
    everyone = (MoreClips(corpus=str(named[MADE_UP].path), clips=ClipSelection()),)
    return [
        replace(fold, others=tuple(_others(fold, named.values())), made_up=everyone, more_made_up=more)
        for name in wanted
        for fold in _FOLDS[name](named[name])
    ]


def every_clip(data: Path, made: Path, *, without: str) -> Iterator[MoreClips]:
    """Import all corpora but one from the folder `data` into `made`; all their clips with a sign."""
    for name in CORPORA:
        if name != without:
            yield _signs_of(_corpus(name, data, made))


def _signs_of(corpus: PackedCorpus, exclude_signers: tuple[str, ...] = ()) -> MoreClips:
    idle = (IDLE,) if IDLE in corpus.label_names else ()
    clips = ClipSelection(exclude_signers=exclude_signers, exclude_labels=idle)
    return MoreClips(corpus=str(corpus.path), clips=clips)


def _others(fold: Fold, corpora: Iterable[PackedCorpus]) -> Iterator[MoreClips]:
    """Select the clips of the other recorded corpora; the same three people are in all of them."""
    for corpus in corpora:
        if corpus.name not in (fold.corpus, MADE_UP):
            yield _signs_of(corpus, fold.known.exclude_signers)


def _corpus(name: str, data: Path | None, made: Path) -> PackedCorpus:
    folder = made / name
    folder.mkdir(exist_ok=True)
    source = folder / f"{name}.npz"
    if name == MADE_UP:
        save_npz(generate(_MADE_UP), source)
    else:
        assert data is not None
        _copy(data / name / f"{name}.npz", source)
    spec = ImportSpec(
        name=name,
        source=str(source),
        image_width=640,
        image_height=480,
        split=SplitConfig(allow_overlap=True),
    )
    return PackedCorpus.open(folder / str(import_corpus(spec, folder, SilentObserver())["corpus"]))


def _copy(source: Path, target: Path) -> None:
    """Copy recordings; those with sessions of several days get a split by day."""
    arrays = dict(np.load(source))
    later = np.array([day >= _FIRST_LATER_DAY for day in arrays["session_names"]])
    if later.any() and not later.all():
        arrays["split"] = np.where(later[arrays["session"]], "test", "train")
    np.savez(target, **arrays)


def _by_signer(corpus: PackedCorpus) -> Iterator[Fold]:
    for signer in corpus.signer_names[:_MOST_SIGNERS]:
        yield _fold(
            corpus, signer, ClipSelection(exclude_signers=(signer,)), ClipSelection(signers=(signer,))
        )


def _by_day(corpus: PackedCorpus) -> Iterator[Fold]:
    yield _fold(corpus, "later days", ClipSelection(splits=("train",)), ClipSelection(splits=("test",)))


def _fold(corpus: PackedCorpus, name: str, known: ClipSelection, asked: ClipSelection) -> Fold:
    """Leave out the idle clips, and clips to score of a gloss that none of the others has."""
    idle = (IDLE,) if IDLE in corpus.label_names else ()
    known = known.model_copy(update={"exclude_labels": idle})
    taught = {corpus.label_names[label] for label in corpus.labels[corpus.select(known)] if label >= 0}
    others = tuple(label for label in corpus.label_names if label not in taught)
    asked = asked.model_copy(update={"exclude_labels": others})
    return Fold(corpus.name, str(corpus.path), name, known, asked)


MADE_UP = "made-up"
_FOLDS: Mapping[str, Callable[[PackedCorpus], Iterator[Fold]]] = {
    "signs": _by_signer,
    "words": _by_day,
    "letters": _by_signer,
    MADE_UP: _by_signer,
}
CORPORA = tuple(_FOLDS)
