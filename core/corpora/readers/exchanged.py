"""Exchange the names of left and right, where a source has them the other way round."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.corpora.readers.raw_clip import OpenedSource, Piece, RawClip, Unreadable
from core.corpora.source import ReadReport
from core.pose.skeleton import LEFT_ARM, LEFT_HAND, MIRRORED_PARTS, NOSE, RIGHT_ARM, RIGHT_HAND
from core.specs.source_formats import Sides

_PARTS: dict[Sides, tuple[slice, ...]] = {
    "exchange_hands": (LEFT_HAND, RIGHT_HAND, NOSE, LEFT_ARM, RIGHT_ARM),
    "exchange_all": MIRRORED_PARTS,
}
"""For each part, in order, the part of the source that is read as it."""


def exchanged(source: OpenedSource, sides: Sides) -> OpenedSource:
    """Return the source with left and right exchanged; the positions of points do not change."""
    parts = _PARTS.get(sides)
    return (
        source if parts is None else replace(source, pieces=(ExchangedPiece(p, parts) for p in source.pieces))
    )


@dataclass(frozen=True)
class ExchangedPiece:
    """A piece whose clips' sides are exchanged as they are read."""

    piece: Piece
    parts: tuple[slice, ...]

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips in order."""
        for raw in self.piece.read(report):
            if isinstance(raw, RawClip):
                joints = raw.video.joints[:, np.r_[self.parts]]
                yield replace(raw, video=replace(raw.video, joints=joints))
            else:
                yield raw
