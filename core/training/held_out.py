"""Which clips a run is watched on: labelled ones, some that it trains on and some that it does not."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int32, Int64

from core.corpora.packed import PackedCorpus
from core.corpora.split_names import TEST
from core.training.randomness import generator_for

NUM_GALLERY, NUM_HELD_OUT = 128, 64
"""Labelled clips that neighbours are searched among, of the training selection, and clips that search."""
NUM_GLOSSES = 16
"""Glosses that these clips are of, so that each query has some eight clips of its own gloss to find."""


@dataclass(frozen=True)
class HeldOut:
    """Labelled clips to report a kNN score on: a gallery the run trains on, and queries it does not."""

    gallery: Int64[np.ndarray, " N"]
    queries: Int64[np.ndarray, " M"]

    @classmethod
    def of(cls, corpus: PackedCorpus, trained: Int64[np.ndarray, " n"], seed: int) -> "HeldOut | None":
        """A few clips of a few glosses, drawn by the seed; None where nothing is labelled or held out.

        Queries come from splits other than `test` where there are any.
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
    """At most `count` of them, ascending."""
    order = torch.randperm(len(clips), generator=generator_for(seed, "monitored clips")).numpy()
    return np.sort(clips[order[:count]])


def _glosses_drawn(
    glosses: Int32[np.ndarray, " G"], held: Int32[np.ndarray, " M"], seed: int
) -> Int32[np.ndarray, " g"]:
    """At most `NUM_GLOSSES` of them; first those that held-out clips have."""
    order = torch.randperm(len(glosses), generator=generator_for(seed, "monitored glosses")).numpy()
    shuffled = glosses[order]
    asked = np.isin(shuffled, held)
    return np.concatenate([shuffled[asked], shuffled[~asked]])[:NUM_GLOSSES]
