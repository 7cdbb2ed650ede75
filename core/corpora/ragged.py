"""Clips of different lengths in one array, and what can give them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64

from core.pose.skeleton import NUM_JOINTS, TRUNK

_IS_TRUNK = np.arange(NUM_JOINTS) >= TRUNK.start


@dataclass(frozen=True)
class RaggedBatch:
    """Clips of different lengths, concatenated: `lengths` (B,) sum to F, the number of all frames."""

    points: Float32[np.ndarray, "F 49 2"]
    visible: Bool[np.ndarray, "F 49"]
    lengths: Int64[np.ndarray, " B"]

    @classmethod
    def joined(cls, parts: Sequence["RaggedBatch"]) -> "RaggedBatch":
        """Join batches, in order."""
        return cls(
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.visible for part in parts]),
            np.concatenate([part.lengths for part in parts]),
        )

    def without_trunk(self, clips: Bool[np.ndarray, " B"]) -> "RaggedBatch":
        """Return the batch with some clips' trunks missing."""
        hidden = np.repeat(clips, self.lengths)[:, None] & _IS_TRUNK
        return RaggedBatch(
            np.where(hidden[:, :, None], np.float32(0), self.points), self.visible & ~hidden, self.lengths
        )

    def take(self, order: Int64[np.ndarray, " C"]) -> "RaggedBatch":
        """Return some of the clips, in another order."""
        starts = np.cumsum(self.lengths) - self.lengths
        frames = frames_of(starts[order], self.lengths[order])
        return RaggedBatch(
            self.points.take(frames, axis=0), self.visible.take(frames, axis=0), self.lengths[order]
        )


@runtime_checkable
class Clips(Protocol):
    """Clips that can be read by number: a corpus, or what was selected from several."""

    @property
    def lengths(self) -> Int64[np.ndarray, " N"]:
        """Number of frames of each clip."""

    def gather(self, indices: Int64[np.ndarray, " B"], *, max_frames: int | None = None) -> RaggedBatch:
        """Copy several clips, in that order, at most the first `max_frames` frames of each."""


def frames_of(starts: Int64[np.ndarray, " B"], lengths: Int64[np.ndarray, " B"]) -> Int64[np.ndarray, " F"]:
    """Return the indices of the frames of clips that begin at `starts`."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total)
