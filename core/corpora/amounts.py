"""How many clips a corpus has of each gloss, signer and session: for summaries and for checks of jobs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32

from core.corpora.packed import PackedCorpus

_NUM_SMALLEST = 5


def amounts(corpus: PackedCorpus) -> dict[str, object]:
    """Return counts of clips: by signer and session, without a label, signer or session, and per gloss.

    Also how many signers are in both training and test.
    """
    return {
        "signer_counts": _by_name(corpus.signers, corpus.signer_names),
        "session_counts": _by_name(corpus.sessions, corpus.session_names),
        "num_without": {
            "label": int((corpus.labels < 0).sum()),
            "signer": int((corpus.signers < 0).sum()),
            "session": int((corpus.sessions < 0).sum()),
        },
        "num_signers_in_train_and_test": len(_signers_of(corpus, "train") & _signers_of(corpus, "test")),
        "clips_per_gloss": _per_gloss(corpus.labels, corpus.label_names),
    }


def _by_name(values: Int32[np.ndarray, " N"], names: Sequence[str]) -> dict[str, int]:
    counts = np.bincount(values[values >= 0], minlength=len(names))
    return dict(zip(names, counts.tolist(), strict=True))


def _signers_of(corpus: PackedCorpus, split: str) -> set[int]:
    """Return the named signers of a split."""
    if split not in corpus.split_names:
        return set()
    return set(corpus.signers[corpus.splits == corpus.split_names.index(split)].tolist()) - {-1}


def _per_gloss(labels: Int32[np.ndarray, " N"], names: Sequence[str]) -> dict[str, object] | None:
    """Return the fewest, the median and the most clips of a gloss, and the glosses with the fewest."""
    if not names:
        return None
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    fewest = np.argsort(counts, kind="stable")[:_NUM_SMALLEST]
    return {
        "fewest": int(counts.min()),
        "median": float(np.median(counts)),
        "most": int(counts.max()),
        "smallest": {names[gloss]: int(counts[gloss]) for gloss in fewest},
    }
