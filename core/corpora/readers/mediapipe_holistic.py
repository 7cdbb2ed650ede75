"""Reader of MediaPipe Holistic keypoints in one `.npz`: clips of equal length. See docs/formats.md."""

from collections.abc import Iterator
from pathlib import Path

from core.corpora.readers.columns import ClipColumns
from core.corpora.readers.mediapipe_points import NUM_POSE_POINTS, as_coco, frame_size
from core.corpora.readers.npz import NpzFile
from core.corpora.readers.raw_clip import RawClip, ReadOptions, Source, normalised
from core.corpora.source import ReadReport
from core.errors import CorpusError

FORMAT = "mediapipe_holistic"
NUM_POINTS = 75
"""33 pose points, 21 of the left hand, 21 of the right."""


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
    size = frame_size(options, report)
    raws = _rows_of(path, shape[0], columns, size)
    return Source(FORMAT, shape[0], normalised(raws, options.profile, report))


def _rows_of(path: Path, num_clips: int, columns: ClipColumns, size: tuple[int, int]) -> Iterator[RawClip]:
    left = NUM_POSE_POINTS
    right = left + 21
    with NpzFile(path) as file, file.rows("keypoints") as rows:
        for index in range(num_clips):
            points = rows.read(1)[0].astype("f8")  # (T, 75, 3)
            keypoints = as_coco(points[:, :left], points[:, left:right], points[:, right:], size)
            yield columns.raw_clip(index, keypoints, size)
