"""Compares two sides of a split: copied clips, shared signers and shared sessions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from core.corpora.packed import PackedCorpus
from core.evaluation.leak_audit.copies import Copy, MiddleFrames, exact_copies, near_copies
from core.program.heartbeat import Heartbeat

_MOST_LISTED = 20
"""Largest number of names and examples in a result; counts include all."""


@dataclass(frozen=True)
class Comparison:
    """Two sides of a split, by clip index, and their overlap."""

    name: str
    train: Int64[np.ndarray, " N"]
    test: Int64[np.ndarray, " M"]
    exact: Sequence[Copy]
    near: Sequence[Copy]
    signers: Sequence[str]
    sessions: Sequence[str]

    @classmethod
    def of(
        cls,
        corpus: PackedCorpus,
        name: str,
        *,
        train: Int64[np.ndarray, " N"],
        test: Int64[np.ndarray, " M"],
        frames: MiddleFrames,
        copy_distance: float,
        heartbeat: Heartbeat,
    ) -> "Comparison":
        """Compare two sides. `frames` must contain all their clips; `heartbeat` is called between blocks."""
        exact = exact_copies(corpus, test, train)
        rest = np.setdiff1d(test, [copy.clip for copy in exact])
        near = near_copies(corpus, rest, train, frames=frames, threshold=copy_distance, heartbeat=heartbeat)
        return cls(name, train, test, exact, near, *_shared(corpus, train, test))

    def to_result(self, clip_name: Callable[[int], str]) -> dict[str, Any]:
        """Return the JSON result: all counts, and the first entries of each list."""
        examples = sorted([*self.exact, *self.near], key=lambda copy: (copy.distance, copy.clip))
        return {
            "name": self.name,
            "num_train": len(self.train),
            "num_test": len(self.test),
            "num_exact_copies": len(self.exact),
            "num_near_copies": len(self.near),
            "copies": [
                {
                    "clip": clip_name(copy.clip),
                    "copy_of": clip_name(copy.source),
                    "distance": copy.distance,
                    "mirrored": copy.mirrored,
                }
                for copy in examples[:_MOST_LISTED]
            ],
            "num_shared_signers": len(self.signers),
            "shared_signers": list(self.signers[:_MOST_LISTED]),
            "num_shared_sessions": len(self.sessions),
            "shared_sessions": list(self.sessions[:_MOST_LISTED]),
        }


def named(indices: np.ndarray) -> list[int]:
    """Return the distinct signer or session indices, ascending, without unknown ones (-1)."""
    return [index for index in np.unique(indices).tolist() if index >= 0]


def _shared(
    corpus: PackedCorpus, train: Int64[np.ndarray, " N"], test: Int64[np.ndarray, " M"]
) -> tuple[list[str], list[str]]:
    """Return signers and sessions on both sides. Sessions are compared per signer, as names may repeat."""
    signers = named(np.intersect1d(corpus.signers[train], corpus.signers[test]))
    pairs = [
        set(zip(corpus.signers[side].tolist(), corpus.sessions[side].tolist(), strict=True))
        for side in (train, test)
    ]
    sessions = sorted({session for _, session in pairs[0] & pairs[1] if session >= 0})
    return (
        [corpus.signer_names[signer] for signer in signers],
        [corpus.session_names[session] for session in sessions],
    )
