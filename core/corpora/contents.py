"""What makes two clips one: digests of their points, whatever names and corpora the clips are in."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from core.corpora.packed import PackedCorpus
from core.program.heartbeat import Heartbeat

_AT_ONCE = 256
"""Clips digested between two signs of life."""


def content_of(corpus: PackedCorpus, clip: int) -> bytes:
    """SHA-256 of a clip's points, equal only where they are."""
    frames = corpus.points[corpus.offsets[clip] : corpus.offsets[clip + 1]]
    return hashlib.sha256(np.ascontiguousarray(frames).data).digest()


def contents_of(
    corpus: PackedCorpus, clips: Int64[np.ndarray, " n"], heartbeat: Heartbeat = lambda: None
) -> list[bytes]:
    """Those of these clips, in their order; reads every clip once, and calls `heartbeat` now and then."""
    digests = []
    for number, clip in enumerate(clips.tolist()):
        if number % _AT_ONCE == 0:
            heartbeat()
        digests.append(content_of(corpus, clip))
    return digests


def shortened(contents: Sequence[bytes]) -> Int64[np.ndarray, " n"]:
    """The first eight bytes of each digest, as a number. That two of a million clips and a million others
    are mistaken for one has a chance of one in 18 million."""
    return np.frombuffer(b"".join(content[:8] for content in contents), dtype="<i8").astype(np.int64)
