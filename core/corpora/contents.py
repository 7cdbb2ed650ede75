"""Content digests of clips, to find identical clips under other names or in other corpora."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from core.corpora.packed import PackedCorpus
from core.program.heartbeat import Heartbeat

_CLIPS_PER_HEARTBEAT = 256
"""Clips digested between two heartbeats."""


def clip_digest(corpus: PackedCorpus, clip: int) -> bytes:
    """Return the SHA-256 of a clip's points; clips with the same digest have the same points."""
    frames = corpus.points[corpus.offsets[clip] : corpus.offsets[clip + 1]]
    return hashlib.sha256(np.ascontiguousarray(frames).data).digest()


def clip_digests(
    corpus: PackedCorpus, clips: Int64[np.ndarray, " n"], heartbeat: Heartbeat = lambda: None
) -> list[bytes]:
    """Return the digests of `clips`, in order. Reads each clip once and calls `heartbeat` regularly."""
    digests = []
    for number, clip in enumerate(clips.tolist()):
        if number % _CLIPS_PER_HEARTBEAT == 0:
            heartbeat()
        digests.append(clip_digest(corpus, clip))
    return digests


def short_digests(contents: Sequence[bytes]) -> Int64[np.ndarray, " n"]:
    """Return the first eight bytes of each digest as an integer.

    Between one million clips and another million, the probability of a collision is one in 18 million.
    """
    return np.frombuffer(b"".join(content[:8] for content in contents), dtype="<i8").astype(np.int64)
