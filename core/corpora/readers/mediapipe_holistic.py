"""Reader of MediaPipe Holistic keypoints in one `.npz`: clips of equal length. See docs/formats.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.corpora.readers.columns import ClipColumns
from core.corpora.readers.mediapipe_points import NUM_POSE_POINTS, as_coco, frame_size
from core.corpora.readers.npz import NpzFile
from core.corpora.readers.raw_clip import RawClip, ReadOptions, Source, Unreadable
from core.corpora.source import ReadReport
from core.errors import CorpusError

FORMAT = "mediapipe_holistic"
NUM_POINTS = 75
"""33 pose points, 21 of the left hand, 21 of the right."""

_CLIPS_AT_ONCE = 32


def open_clips(path: Path, options: ReadOptions, report: ReadReport) -> Source:
    """A file with `keypoints` (N, T, 75, 3), and columns: x, y in fractions of the frame, confidence."""
    with NpzFile(path) as file:
        with file.rows("keypoints") as rows:
            shape, dtype = rows.shape, rows.dtype
        if len(shape) != 4 or shape[2:] != (NUM_POINTS, 3) or dtype.kind not in "fiu":
            raise CorpusError(
                f"{path}: 'keypoints' must be numbers of shape (clips, frames, {NUM_POINTS}, 3); "
                f"got {dtype} {shape}."
            )
        columns = ClipColumns.of(file, shape[0])
    pieces = _pieces_of_rows(path, shape[0], columns, frame_size(options, report))
    return Source(FORMAT, shape[0], pieces, options.profile, report)


@dataclass(frozen=True)
class PointsPiece:
    """Some clips' points (K, T, 75, 3) as they are in the file."""

    points: np.ndarray
    columns: ClipColumns
    image_size: tuple[int, int]

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """The clips as COCO-WholeBody keypoints."""
        left, right = NUM_POSE_POINTS, NUM_POSE_POINTS + 21
        frames = self.points.reshape(-1, NUM_POINTS, 3).astype("f8")  # (K * T, 75, 3)
        keypoints = as_coco(frames[:, :left], frames[:, left:right], frames[:, right:], self.image_size)
        for index, clip in enumerate(keypoints.reshape(*self.points.shape[:2], *keypoints.shape[1:])):
            yield self.columns.raw_clip(index, clip, self.image_size)


def _pieces_of_rows(
    path: Path, num_clips: int, columns: ClipColumns, size: tuple[int, int]
) -> Iterator[PointsPiece]:
    with NpzFile(path) as file, file.rows("keypoints") as rows:
        for first in range(0, num_clips, _CLIPS_AT_ONCE):
            last = min(first + _CLIPS_AT_ONCE, num_clips)
            yield PointsPiece(rows.read(last - first), columns.of_clips(slice(first, last)), size)
