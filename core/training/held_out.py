"""Clips for monitoring a run with kNN: labelled clips, a gallery from training and held-out queries."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int32, Int64

from core.corpora.packed import PackedCorpus
from core.corpora.split_names import TEST
from core.training.randomness import generator_for

NUM_GALLERY, NUM_HELD_OUT = 128, 64
"""Numbers of labelled gallery clips (from the training selection) and of held-out query clips."""
NUM_GLOSSES = 16
"""Number of glosses of these clips, so that each query has about eight gallery clips of its gloss."""


@dataclass(frozen=True)
class HeldOut:
    """Labelled clips for a kNN score: a gallery that is trained on, and held-out queries."""

    gallery: Int64[np.ndarray, " N"]
    queries: Int64[np.ndarray, " M"]

    @classmethod
    def of(cls, corpus: PackedCorpus, trained: Int64[np.ndarray, " n"], seed: int) -> "HeldOut | None":
        """Draw a few clips of a few glosses by the seed; None without labelled or held-out clips.

        Queries come from splits other than `test`, if there are any.
        """
        labelled = np.flatnonzero(corpus.labels >= 0)
        gallery = np.intersect1d(labelled, trained)
        glosses = np.unique(corpus.labels[gallery])
        held = np.setdiff1d(labelled, trained)
        held = held[np.isin(corpus.labels[held], glosses)]
        if TEST in corpus.split_names:
            spared = held[corpus.splits[held] != corpus.split_names.index(TEST)]
            held = spared if len(spared) else held
        if len(glosses) < 2 or len(held) == 0:
            return None
        few = _glosses_drawn(glosses, corpus.labels[held], seed)
        gallery, held = (clips[np.isin(corpus.labels[clips], few)] for clips in (gallery, held))
        return cls(drawn(gallery, NUM_GALLERY, seed), drawn(held, NUM_HELD_OUT, seed))


def drawn(clips: Int64[np.ndarray, " n"], count: int, seed: int) -> Int64[np.ndarray, " m"]:
    """Draw at most `count` clips; returns them ascending."""
    order = torch.randperm(len(clips), generator=generator_for(seed, "monitored clips")).numpy()
    return np.sort(clips[order[:count]])


def _glosses_drawn(
    glosses: Int32[np.ndarray, " G"], held: Int32[np.ndarray, " M"], seed: int
) -> Int32[np.ndarray, " g"]:
    """Draw at most `NUM_GLOSSES` glosses; those of held-out clips come first."""
    order = torch.randperm(len(glosses), generator=generator_for(seed, "monitored glosses")).numpy()
    shuffled = glosses[order]
    asked = np.isin(shuffled, held)
    return np.concatenate([shuffled[asked], shuffled[~asked]])[:NUM_GLOSSES]
