"""The clips that a pretraining trains on: selected from one corpus, or from several with weights."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from jaxtyping import Int64

from core.corpora.contents import clip_digests, short_digests
from core.corpora.packed import PackedCorpus
from core.corpora.ragged import RaggedBatch
from core.errors import SpecError
from core.exchange.card import CorpusCard
from core.specs.counts import counted
from core.specs.jobs import ClipSelection, MoreClips, PretrainSpec
from core.specs.weights import in_units


@dataclass(frozen=True)
class Share:
    """The clips of one corpus, and how often each is drawn in an epoch."""

    corpus: PackedCorpus
    clips: Int64[np.ndarray, " n"]
    weight: float = 1.0

    @classmethod
    def open(cls, path: str, selection: ClipSelection, weight: float = 1.0) -> "Share":
        """Open a packed corpus and select clips.

        Raises:
            CorpusError: it is damaged.
            SpecError: the selection names what the corpus does not have, or leaves no clip.
        """
        corpus = PackedCorpus.open(path)
        return cls(corpus, corpus.select(selection), weight)

    @property
    def num_without_body(self) -> int:
        """Number of clips that have hands only."""
        return int((~self.corpus.has_trunk[self.clips]).sum())

    @property
    def card(self) -> CorpusCard:
        """What an encoder's card says of the corpus."""
        return CorpusCard(
            name=self.corpus.name,
            digest=self.corpus.digest,
            num_clips=len(self.clips),
            preprocessing=self.corpus.header.preprocessing,
            clips_without_body=self.num_without_body,
        )

    @property
    def facts(self) -> dict[str, object]:
        """What a checkpoint must share with this to resume from it."""
        return {"corpus": self.corpus.digest, "clips": hashlib.sha256(self.clips.tobytes()).hexdigest()}


@dataclass(frozen=True)
class TrainingClips:
    """Clips of several corpora, numbered from 0 in the order of the shares."""

    shares: tuple[Share, ...]

    @classmethod
    def of(cls, spec: PretrainSpec) -> "TrainingClips":
        """Open the corpora of a specification with local paths.

        Raises:
            CorpusError: one is damaged.
            SpecError: a selection does not fit its corpus, or a corpus is named twice.
        """
        first = Share.open(spec.corpus, spec.clips)
        found = cls((first, *(_opened(number, each) for number, each in enumerate(spec.also))))
        found._check_each_is_another()
        return found

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def first(self) -> Share:
        """The clips of the corpus that the run is watched on."""
        return self.shares[0]

    @cached_property
    def lengths(self) -> Int64[np.ndarray, " N"]:
        """Number of frames of each clip."""
        return np.concatenate([share.corpus.lengths[share.clips] for share in self.shares])

    @cached_property
    def weights(self) -> Int64[np.ndarray, " N"] | None:
        """How often each clip is drawn in an epoch, in units; None if all are drawn once."""
        if all(share.weight == 1 for share in self.shares):
            return None
        units = [np.full(len(share.clips), in_units(share.weight), np.int64) for share in self.shares]
        return np.concatenate(units)

    @property
    def facts(self) -> dict[str, object]:
        """What a checkpoint must share with this to resume from it."""
        first, *more = self.shares
        also = [{**share.facts, "weight": share.weight} for share in more]
        return {**first.facts, "also": also or None}  # older checkpoints have none

    def remarks(self) -> list[str]:
        """What a user should know of the clips before training."""
        first, *more = self.shares
        remarks = [
            f"Corpus {share.corpus.name!r}: {counted(len(share.clips), 'clip')}, weight {share.weight:g}."
            for share in (self.shares if more else ())
        ]
        remarks += [remark for share in more for remark in _unlike(first, share)]
        if num_without := sum(share.num_without_body for share in self.shares):
            remarks.append(f"Hands only: {num_without} of {len(self)} clips without a body.")
        return remarks

    def gather(self, indices: Int64[np.ndarray, " B"], *, max_frames: int | None = None) -> RaggedBatch:
        """Copy several clips, in that order, at most the first `max_frames` frames of each."""
        if len(self.shares) == 1:
            return self.first.corpus.gather(self.first.clips[indices], max_frames=max_frames)
        which = np.searchsorted(self._ends, indices, side="right")
        places = [np.flatnonzero(which == number) for number in range(len(self.shares))]
        parts = [
            share.corpus.gather(share.clips[indices[place] - (end - len(share.clips))], max_frames=max_frames)
            for share, end, place in zip(self.shares, self._ends, places, strict=True)
        ]
        return RaggedBatch.joined(parts).take(np.argsort(np.concatenate(places)))

    def digests(self) -> Int64[np.ndarray, " N"]:
        """Return the shortened content digests of all clips."""
        parts = (short_digests(clip_digests(share.corpus, share.clips)) for share in self.shares)
        return np.concatenate(list(parts))

    @cached_property
    def _ends(self) -> Int64[np.ndarray, " S"]:
        return np.cumsum([len(share.clips) for share in self.shares])

    def _check_each_is_another(self) -> None:
        for one, other in combinations(self.shares, 2):
            if one.corpus.digest == other.corpus.digest:
                raise SpecError(
                    f"Corpora {one.corpus.name!r} and {other.corpus.name!r} have the same content; name each "
                    "corpus once, and select its clips there.",
                    pointer="/also",
                )


def _opened(number: int, also: MoreClips) -> Share:
    try:
        return Share.open(also.corpus, also.clips, also.weight)
    except SpecError as error:
        raise SpecError(str(error), pointer=f"/also/{number}{error.pointer}") from None


def _unlike(first: Share, other: Share) -> list[str]:
    """Say how another corpus was read otherwise; new clips will be read as those of the first."""
    ours, theirs = first.card.preprocessing, other.card.preprocessing
    if ours is None or theirs is None or not (differences := ours.differences(theirs)):
        return []
    return [
        f"Corpora {first.corpus.name!r} and {other.corpus.name!r} were read in different ways: "
        f"{'; '.join(differences)}. The encoder will read new clips as those of {first.corpus.name!r}."
    ]
