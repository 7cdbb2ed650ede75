"""Finds the test clips and test signers of an evaluation that the encoder was pretrained on."""

import numpy as np
from jaxtyping import Bool, Int64

from core.corpora.contents import clip_digests, short_digests
from core.corpora.packed import PackedCorpus
from core.evaluation.task import Task
from core.exchange.card import EncoderCard
from core.exchange.weights import LoadedEncoder
from core.program.heartbeat import Heartbeat
from core.program.observer import Observer


class Lineage:
    """Compares the clips of an evaluation with those of the encoder's pretraining.

    If the encoder's file has digests of its clips, they are compared by content, in any corpus. Otherwise
    only clips of the same corpus can be compared. `encoder` is None for features that are not pretrained.
    `heartbeat` is called while clips are read.
    """

    def __init__(self, encoder: LoadedEncoder | None, task: Task, heartbeat: Heartbeat) -> None:
        self._encoder, self._task, self._heartbeat = encoder, task, heartbeat
        self._seen: dict[str, Bool[np.ndarray, " n"] | None] = {}

    def num_pretrained_on(self, test: Int64[np.ndarray, " M"]) -> int | None:
        """Return the number of test clips that the encoder was pretrained on; None if unknown."""
        if self._encoder is None:
            return 0
        tested_on = self._task.located(test)
        seen = self._seen_of(tested_on.corpus)
        return None if seen is None else int(seen[tested_on.clips].sum())

    def pretrained_signers(self, test: Int64[np.ndarray, " M"]) -> list[str] | None:
        """Return the test signers of whom the encoder was pretrained on any clip of the corpus.

        None if unknown.
        """
        if self._encoder is None:
            return []
        tested_on = self._task.located(test)
        corpus = tested_on.corpus
        seen = self._seen_of(corpus)
        if seen is None:
            return None
        both = np.intersect1d(corpus.signers[tested_on.clips], corpus.signers[seen])
        return [corpus.signer_names[signer] for signer in both if signer >= 0]

    def report(self, observer: Observer) -> None:
        """Log a remark if it is unknown whether the encoder was pretrained on test clips."""
        counts = [self.num_pretrained_on(fold.test) for fold in self._task.folds]
        if self._encoder is not None and None in counts:
            observer.on_log(
                f"Encoder {self._encoder.card.name!r} {_why_unknown(self._encoder.card)}; "
                "it is unknown whether it was pretrained on these test clips."
            )

    def _seen_of(self, corpus: PackedCorpus) -> Bool[np.ndarray, " n"] | None:
        """Return which clips of the whole corpus the encoder was pretrained on; cached per corpus."""
        if corpus.digest not in self._seen:
            self._seen[corpus.digest] = self._looked_up(corpus)
        return self._seen[corpus.digest]

    def _looked_up(self, corpus: PackedCorpus) -> Bool[np.ndarray, " n"] | None:
        assert self._encoder is not None, "called only for a pretrained encoder"
        if self._encoder.pretrained_clips is not None:
            clips = short_digests(clip_digests(corpus, np.arange(len(corpus)), self._heartbeat))
            return np.isin(clips, self._encoder.pretrained_clips)
        card = self._encoder.card
        if card.corpus is None or card.spec is None or card.start or card.also:
            return None
        if card.corpus.digest != corpus.digest:
            return None
        return np.isin(np.arange(len(corpus)), corpus.select(card.spec.clips))


def _why_unknown(card: EncoderCard) -> str:
    if card.corpus is None:
        return "was trained by other code"
    if card.also:
        return "was pretrained on several corpora, and its file has no digests of the clips (it was exported)"
    if card.start is not None:
        return f"was started from encoder {card.start.name!r}, whose file has no digests of its clips"
    return (
        f"was pretrained on another corpus, {card.corpus.name!r}, and its file has no digests of the clips "
        "(it was written by an earlier version, or exported and imported)"
    )
