"""Clips that are copies of one another: one recording, cut, scaled, mirrored, re-encoded or detected again.

The frame in the middle of a copy is found again near the middle of its source, so a search for the most
similar frames says which clips may be copies and by how many frames they are displaced. Those are laid over
one another (`alignment`). Each clip is looked for as it is and as a mirror shows it.
docs/explanation/leak-audit.md has the distances of copies and of other takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from core.corpora.contents import clip_digest
from core.corpora.packed import PackedCorpus
from core.evaluation.leak_audit.alignment import (
    distance_at,
    distance_resampled,
    mirrored,
    sight_of,
    standardised,
)
from core.pose.skeleton import NUM_JOINTS
from core.program.heartbeat import Heartbeat
from core.search.neighbours import nearest

_REACH = 7
"""Frames on either side of a clip's middle in which its copy's middle is looked for."""
_FRAMES_LOOKED_AT = 30
"""Most similar frames that are looked into, of whichever clips."""
_LEAST_SIMILAR = 0.98
"""Cosine of two frames below which their clips are not compared."""


@dataclass(frozen=True)
class Copy:
    """Two clips of a corpus, by index, that are one recording, and how far apart they lie when aligned.

    `mirrored`: one of them shows the other in a mirror.
    """

    clip: int
    source: int
    distance: float
    mirrored: bool = False


@dataclass(frozen=True)
class MiddleFrames:
    """Standardised frames about the middle of every clip: which clip's, and how far from its middle.

    15 frames of 98 numbers a clip: 6 KB, so 20,000 clips take 120 MB.
    """

    frames: Float[Tensor, "F D"]
    owners: Int64[np.ndarray, " F"]
    displacements: Int64[np.ndarray, " F"]

    @classmethod
    def of(cls, corpus: PackedCorpus, clips: Int64[np.ndarray, " N"]) -> "MiddleFrames":
        """Those of the chosen clips."""
        found = [_about_the_middle(corpus, clip) for clip in clips.tolist()]
        counts = [len(places) for places, _ in found]
        return cls(
            frames=torch.from_numpy(np.concatenate([frames for _, frames in found])),
            owners=np.repeat(clips, counts),
            displacements=np.concatenate([places for places, _ in found]),
        )

    def select_clips(self, clips: Int64[np.ndarray, " n"]) -> "MiddleFrames":
        """All frames of these clips."""
        return self._where(np.isin(self.owners, clips))

    def middles_of(self, clips: Int64[np.ndarray, " n"]) -> "MiddleFrames":
        """The middle frame of each of these clips."""
        return self._where(np.isin(self.owners, clips) & (self.displacements == 0))

    def mirrored(self) -> "MiddleFrames":
        """The same as a mirror shows them."""
        points = self.frames.numpy().reshape(len(self.frames), NUM_JOINTS, 2)
        return replace(self, frames=torch.from_numpy(mirrored(sight_of(points)).points).flatten(1))

    def _where(self, chosen: np.ndarray) -> "MiddleFrames":
        places = np.flatnonzero(chosen)
        return MiddleFrames(self.frames[places], self.owners[places], self.displacements[places])


def exact_copies(
    corpus: PackedCorpus, clips: Int64[np.ndarray, " M"], sources: Int64[np.ndarray, " N"]
) -> list[Copy]:
    """The clips whose points are, byte for byte, those of one in `sources`, with the first such."""
    known: dict[bytes, int] = {}
    for source in sources.tolist():
        known.setdefault(clip_digest(corpus, source), source)
    found = ((clip, known.get(clip_digest(corpus, clip))) for clip in clips.tolist())
    return [Copy(clip, source, 0.0) for clip, source in found if source is not None]


def near_copies(
    corpus: PackedCorpus,
    clips: Int64[np.ndarray, " M"],
    sources: Int64[np.ndarray, " N"],
    *,
    frames: MiddleFrames,
    threshold: float,
    heartbeat: Heartbeat = lambda: None,
) -> list[Copy]:
    """The clips that lie within `threshold` of one in `sources`, with the nearest such.

    `frames` are those of all these clips. `heartbeat` is called before each block of work.
    """
    middles, gallery = frames.middles_of(clips), frames.select_clips(sources)
    copies = [
        copy
        for in_mirror in (False, True)
        for copy in _nearest_sources(corpus, middles, gallery, in_mirror=in_mirror, heartbeat=heartbeat)
        if copy.distance <= threshold
    ]
    best: dict[int, Copy] = {}
    for copy in sorted(copies, key=lambda copy: copy.distance):
        best.setdefault(copy.clip, copy)
    return [best[clip] for clip in sorted(best)]


def _nearest_sources(
    corpus: PackedCorpus,
    middles: MiddleFrames,
    gallery: MiddleFrames,
    *,
    in_mirror: bool,
    heartbeat: Heartbeat,
) -> Iterator[Copy]:
    """For each clip with a middle frame, the nearest clip of those that have a frame like it."""
    asked = middles.mirrored() if in_mirror else middles
    alike = nearest(asked.frames, gallery.frames, num_neighbours=_FRAMES_LOOKED_AT, heartbeat=heartbeat)
    for clip, similarities, places in zip(
        middles.owners.tolist(), alike.similarities.numpy(), alike.places.numpy(), strict=True
    ):
        heartbeat()
        near = places[similarities >= _LEAST_SIMILAR]
        if len(near):
            yield _nearest_source(
                corpus, clip, gallery.owners[near], gallery.displacements[near], in_mirror=in_mirror
            )


def _nearest_source(
    corpus: PackedCorpus,
    clip: int,
    sources: Int64[np.ndarray, " K"],
    displacements: Int64[np.ndarray, " K"],
    *,
    in_mirror: bool,
) -> Copy:
    seen, our_middle = sight_of(_points(corpus, clip)), _middle(corpus, clip)
    ours = mirrored(seen) if in_mirror else seen
    found = []
    for source in np.unique(sources).tolist():
        theirs = sight_of(_points(corpus, source))
        frames = _middle(corpus, source) + displacements[sources == source]
        distances = [distance_at(ours, theirs, lag=our_middle - frame) for frame in frames.tolist()]
        if len(ours.points) != len(theirs.points):
            distances.append(distance_resampled(ours, theirs))
        found.append(Copy(clip, source, min(distances), mirrored=in_mirror))
    return min(found, key=lambda copy: copy.distance)


def _about_the_middle(
    corpus: PackedCorpus, clip: int
) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n D"]]:
    """Displacements from the middle, and the standardised frames there."""
    points, middle = _points(corpus, clip), _middle(corpus, clip)
    first, last = max(middle - _REACH, 0), min(middle + _REACH + 1, len(points))
    sight = sight_of(points[first:last])
    frames = standardised(sight.points, sight.known)
    return np.arange(first, last) - middle, frames.reshape(len(frames), -1)


def _middle(corpus: PackedCorpus, clip: int) -> int:
    return int(corpus.lengths[clip]) // 2


def _points(corpus: PackedCorpus, clip: int) -> Float32[np.ndarray, "T 49 2"]:
    return np.asarray(corpus.points[corpus.offsets[clip] : corpus.offsets[clip + 1]])
