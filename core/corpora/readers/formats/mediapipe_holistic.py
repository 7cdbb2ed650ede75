"""Reader of MediaPipe Holistic keypoints in `.npz`: one clip, or several of equal length.

See docs/reference/formats.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.columns import ClipColumns
from core.corpora.readers.formats.mediapipe_points import (
    HIGHEST_VISIBILITY,
    NUM_POSE_POINTS,
    as_coco,
    check_fractions,
    frame_size,
)
from core.corpora.readers.raw_clip import OpenedSource, RawClip, ReadOptions, Unreadable
from core.corpora.readers.untrusted.clip_size import check_clips, check_frames
from core.corpora.readers.untrusted.npz import UntrustedNpz, as_float64
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "mediapipe_holistic"
NUM_POINTS = 75
"""33 pose points, 21 of the left hand, 21 of the right."""

_CLIPS_AT_ONCE, _FRAMES_AT_ONCE = 32, 8192


def open_clips(path: Path, options: ReadOptions, report: ReadReport) -> OpenedSource:
    """Open a file with `keypoints` (N, T, 75, 3) and columns: x, y in fractions of the frame, confidence."""
    with UntrustedNpz(path) as file:
        with file.rows("keypoints") as rows:
            shape, dtype = rows.shape, rows.dtype
        if len(shape) != 4 or shape[2:] != (NUM_POINTS, 3) or dtype.kind not in "fiu":
            raise CorpusError(
                f"{path}: 'keypoints' must be numbers of shape (clips, frames, {NUM_POINTS}, 3); "
                f"got {dtype} {shape}."
            )
        check_clips(shape[0], path)
        check_frames(shape[1], path)
        columns = ClipColumns.of(file, shape[0])
    pieces = _pieces_of_rows(path, shape[0], columns, frame_size(options, report))
    return OpenedSource(FORMAT, shape[0], pieces, options.profile, report)


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a file with one clip: `keypoints` (T, 75, 3)."""
    (path,) = clip.files
    with UntrustedNpz(path) as file:
        points = file.array("keypoints")
    if points.ndim != 3 or points.shape[1:] != (NUM_POINTS, 3) or points.dtype.kind not in "fiu":
        raise CorpusError(
            f"{path}: 'keypoints' must be numbers of shape (frames, {NUM_POINTS}, 3); got {points.dtype} "
            f"{points.shape}."
        )
    check_frames(len(points), path)
    size = frame_size(options, report)
    keypoints = _as_coco(points, size)
    check_fractions(keypoints, size, path)
    return RawClip.of(keypoints, size, clip.name, highest_confidence=HIGHEST_VISIBILITY)


@dataclass(frozen=True)
class PointsPiece:
    """Points of a few clips (K, T, 75, 3), unchanged from the file."""

    path: Path
    points: np.ndarray
    columns: ClipColumns
    image_size: tuple[int, int]

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips as COCO-WholeBody keypoints; `Unreadable` for a clip in pixels."""
        keypoints = _as_coco(self.points.reshape(-1, NUM_POINTS, 3), self.image_size)
        for index, clip in enumerate(keypoints.reshape(*self.points.shape[:2], *keypoints.shape[1:])):
            try:
                check_fractions(clip, self.image_size, self.path)
            except CorpusError as error:
                yield Unreadable(self.columns.names[index], str(error))
                continue
            yield self.columns.raw_clip(index, clip, self.image_size, highest_confidence=HIGHEST_VISIBILITY)


def _pieces_of_rows(
    path: Path, num_clips: int, columns: ClipColumns, size: tuple[int, int]
) -> Iterator[PointsPiece]:
    with UntrustedNpz(path) as file, file.rows("keypoints") as rows:
        at_once = max(1, min(_CLIPS_AT_ONCE, _FRAMES_AT_ONCE // max(1, rows.shape[1])))
        for first in range(0, num_clips, at_once):
            last = min(first + at_once, num_clips)
            yield PointsPiece(path, rows.read(last - first), columns.select_clips(slice(first, last)), size)


def _as_coco(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert frames (n, 75, 3) to COCO-WholeBody keypoints (n, 133, 3)."""
    frames = as_float64(points)
    left, right = NUM_POSE_POINTS, NUM_POSE_POINTS + 21
    return as_coco(frames[:, :left], frames[:, left:right], frames[:, right:], size)


LAYOUT = ClipFormat(FORMAT, read_clip)
