"""Undo mirroring: flip keypoints of frames that were mirrored before pose estimation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.corpora.readers.raw_clip import OpenedSource, Piece, RawClip, Unreadable
from core.corpora.source import ReadReport
from core.pose.normalise import Video
from core.pose.skeleton import MIRRORED_PARTS


def unmirrored(source: OpenedSource) -> OpenedSource:
    """Return the source with x replaced by width - x, and left and right hands and arms swapped."""
    return replace(source, pieces=map(UnmirroredPiece, source.pieces))


@dataclass(frozen=True)
class UnmirroredPiece:
    """A piece whose clips are flipped as they are read."""

    piece: Piece

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the flipped clips in order."""
        for raw in self.piece.read(report):
            yield replace(raw, video=_unmirrored(raw.video)) if isinstance(raw, RawClip) else raw


def _unmirrored(video: Video) -> Video:
    """Flip a video; points at (0, 0) are missing and stay there."""
    joints = video.joints[:, np.r_[MIRRORED_PARTS]].astype(np.float64)
    missing = (joints[:, :, :2] == 0).all(axis=2)
    joints[:, :, 0] = np.where(missing, 0.0, video.width - joints[:, :, 0])
    return replace(video, joints=joints)
