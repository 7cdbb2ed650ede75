"""Duplicate detection: finds cut, scaled, mirrored, re-encoded or re-detected copies of a recording.

The middle frame of a copy is near the middle of its source. So a nearest-neighbour search over middle frames
gives candidate pairs and their shift in frames; each candidate is then aligned (`alignment`). Every clip is
searched as it is and mirrored. docs/explanation/leak-audit.md has the distances of copies and of other takes.
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
    masked_points,
    mirrored,
    standardised,
)
from core.pose.skeleton import NUM_JOINTS
from core.program.heartbeat import Heartbeat
from core.search.neighbours import nearest

_REACH = 7
"""Frames before and after a clip's middle that are searched for the middle of its copy."""
_NUM_CANDIDATES = 30
"""Number of nearest frames that are candidates, over all clips."""
_LEAST_SIMILAR = 0.98
"""Smallest cosine similarity of two frames for their clips to be compared."""


@dataclass(frozen=True)
class Copy:
    """Two clips of a corpus, by index, that are one recording, and their distance after alignment.

    `mirrored`: one is the mirror image of the other.
    """

    clip: int
    source: int
    distance: float
    mirrored: bool = False


@dataclass(frozen=True)
class MiddleFrames:
    """Standardised frames around the middle of every clip, with their clip and distance from the middle.

    Memory: 15 frames of 98 numbers per clip, or 6 KB; 20,000 clips take 120 MB.
    """

    frames: Float[Tensor, "F D"]
    owners: Int64[np.ndarray, " F"]
    displacements: Int64[np.ndarray, " F"]

    @classmethod
    def of(cls, corpus: PackedCorpus, clips: Int64[np.ndarray, " N"]) -> "MiddleFrames":
        """Collect the middle frames of the selected clips."""
        found = [_middle_frames(corpus, clip) for clip in clips.tolist()]
        counts = [len(places) for places, _ in found]
        return cls(
            frames=torch.from_numpy(np.concatenate([frames for _, frames in found])),
            owners=np.repeat(clips, counts),
            displacements=np.concatenate([places for places, _ in found]),
        )

    def select_clips(self, clips: Int64[np.ndarray, " n"]) -> "MiddleFrames":
        """Return all frames of these clips."""
        return self._where(np.isin(self.owners, clips))

    def middles_of(self, clips: Int64[np.ndarray, " n"]) -> "MiddleFrames":
        """Return the middle frame of each of these clips."""
        return self._where(np.isin(self.owners, clips) & (self.displacements == 0))

    def mirrored(self) -> "MiddleFrames":
        """Return the frames mirrored horizontally."""
        points = self.frames.numpy().reshape(len(self.frames), NUM_JOINTS, 2)
        return replace(self, frames=torch.from_numpy(mirrored(masked_points(points)).points).flatten(1))

    def _where(self, chosen: np.ndarray) -> "MiddleFrames":
        places = np.flatnonzero(chosen)
        return MiddleFrames(self.frames[places], self.owners[places], self.displacements[places])


def exact_copies(
    corpus: PackedCorpus, clips: Int64[np.ndarray, " M"], sources: Int64[np.ndarray, " N"]
) -> list[Copy]:
    """Find clips with the same bytes as one of `sources`, with the first such source."""
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
    """Find clips within distance `threshold` of one of `sources`, with the nearest such source.

    `frames` must contain all these clips. `heartbeat` is called before each block of work.
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
    """Yield for each clip the nearest source among those with a frame similar to its middle frame."""
    asked = middles.mirrored() if in_mirror else middles
    alike = nearest(asked.frames, gallery.frames, num_neighbours=_NUM_CANDIDATES, heartbeat=heartbeat)
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
    seen, our_middle = masked_points(_points(corpus, clip)), _middle(corpus, clip)
    ours = mirrored(seen) if in_mirror else seen
    found = []
    for source in np.unique(sources).tolist():
        theirs = masked_points(_points(corpus, source))
        frames = _middle(corpus, source) + displacements[sources == source]
        distances = [distance_at(ours, theirs, lag=our_middle - frame) for frame in frames.tolist()]
        if len(ours.points) != len(theirs.points):
            distances.append(distance_resampled(ours, theirs))
        found.append(Copy(clip, source, min(distances), mirrored=in_mirror))
    return min(found, key=lambda copy: copy.distance)


def _middle_frames(
    corpus: PackedCorpus, clip: int
) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n D"]]:
    """Return offsets from the middle frame, and the standardised frames there."""
    points, middle = _points(corpus, clip), _middle(corpus, clip)
    first, last = max(middle - _REACH, 0), min(middle + _REACH + 1, len(points))
    masked = masked_points(points[first:last])
    frames = standardised(masked.points, masked.known)
    return np.arange(first, last) - middle, frames.reshape(len(frames), -1)


def _middle(corpus: PackedCorpus, clip: int) -> int:
    return int(corpus.lengths[clip]) // 2


def _points(corpus: PackedCorpus, clip: int) -> Float32[np.ndarray, "T 49 2"]:
    return np.asarray(corpus.points[corpus.offsets[clip] : corpus.offsets[clip + 1]])
