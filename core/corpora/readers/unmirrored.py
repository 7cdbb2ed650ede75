"""Keypoints of frames that were mirrored before a detector saw them, as those of the frames themselves."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.corpora.readers.raw_clip import OpenedSource, Piece, RawClip, Unreadable
from core.corpora.source import ReadReport
from core.pose.normalise import Video
from core.pose.skeleton import PARTS_IN_A_MIRROR


def unmirrored(source: OpenedSource) -> OpenedSource:
    """The source with x as width - x in all clips, and hands and arms by the names of the other side."""
    return replace(source, pieces=map(UnmirroredPiece, source.pieces))


@dataclass(frozen=True)
class UnmirroredPiece:
    """A piece of mirrored clips, whose clips are not."""

    piece: Piece

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """The clips, in order."""
        for raw in self.piece.read(report):
            yield replace(raw, video=_unmirrored(raw.video)) if isinstance(raw, RawClip) else raw


def _unmirrored(video: Video) -> Video:
    """Points at (0, 0), which are missing, stay there."""
    joints = video.joints[:, np.r_[PARTS_IN_A_MIRROR]].astype(np.float64)
    missing = (joints[:, :, :2] == 0).all(axis=2)
    joints[:, :, 0] = np.where(missing, 0.0, video.width - joints[:, :, 0])
    return replace(video, joints=joints)
