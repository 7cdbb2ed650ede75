"""Reader of MediaPipe Holistic keypoints in `.npz`: one clip, or several of equal length.

See docs/reference/formats.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.corpora.readers.checks.exchanged_axes import note_exchanged_axes
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
from core.corpora.readers.scores import refuse_scores, scores_in, with_scores
from core.corpora.readers.untrusted.clip_size import check_clips, check_frames
from core.corpora.readers.untrusted.npz import UntrustedNpz, as_float64
from core.corpora.readers.video_of_npz import frame_rates, stated_sizes
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "mediapipe_holistic"
NUM_POINTS = 75
"""33 pose points, 21 of the left hand, 21 of the right."""

Facts = tuple[tuple[int, int], float | None]
"""A clip's frame size (width, height) and its frames a second."""

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
        refuse_scores(file, shape)
        check_clips(shape[0], path)
        check_frames(shape[1], path)
        columns = ClipColumns.of(file, shape[0])
        videos = _videos(file, columns.names, options, report)
    pieces = _pieces_of_rows(path, columns, videos)
    return OpenedSource(FORMAT, shape[0], pieces, options.profile, report)


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a file with one clip: `keypoints` (T, 75, 3)."""
    (path,) = clip.files
    with UntrustedNpz(path) as file:
        points = file.array("keypoints")
        name = scores_in(file, points.shape)
        scores = None if name is None else file.array(name)
        ((size, rate),) = _videos(file, [clip.name], options, report)
    if points.ndim != 3 or points.shape[1:] != (NUM_POINTS, 3) or points.dtype.kind not in "fiu":
        raise CorpusError(
            f"{path}: 'keypoints' must be numbers of shape (frames, {NUM_POINTS}, 3); got {points.dtype} "
            f"{points.shape}."
        )
    check_frames(len(points), path)
    if scores is not None:
        if scores.shape != points.shape[:2] or scores.dtype.kind not in "fiu":
            raise CorpusError(
                f"{path}: {name!r} must be numbers of shape {points.shape[:2]}; got {scores.dtype} "
                f"{scores.shape}."
            )
        points = with_scores(points, scores)
    keypoints = _as_coco(points, size)
    check_fractions(keypoints, size, path)
    return RawClip.of(keypoints, size, clip.name, frame_rate=rate, highest_confidence=HIGHEST_VISIBILITY)


def _videos(
    file: UntrustedNpz, names: Sequence[str], options: ReadOptions, report: ReadReport
) -> list[Facts]:
    """Return each clip's frame size and frame rate."""
    stated = stated_sizes(file, len(names))
    sizes = [frame_size(name, size, options, report) for name, size in zip(names, stated, strict=True)]
    return list(zip(sizes, frame_rates(file, len(names)), strict=True))


@dataclass(frozen=True)
class PointsPiece:
    """Points of a few clips (K, T, 75, 3), unchanged from the file."""

    path: Path
    points: np.ndarray
    columns: ClipColumns
    videos: list[Facts]

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips as COCO-WholeBody keypoints; `Unreadable` for a clip in pixels."""
        if not any(self.columns.labels):
            note_exchanged_axes(self.columns.names[0], self.points, report)
        for index, (points, (size, rate)) in enumerate(zip(self.points, self.videos, strict=True)):
            clip = _as_coco(points, size)
            try:
                check_fractions(clip, size, self.path)
            except CorpusError as error:
                yield Unreadable(self.columns.names[index], str(error))
                continue
            yield self.columns.raw_clip(index, clip, size, rate, HIGHEST_VISIBILITY)


def _pieces_of_rows(path: Path, columns: ClipColumns, videos: list[Facts]) -> Iterator[PointsPiece]:
    num_clips = len(videos)
    with UntrustedNpz(path) as file, file.rows("keypoints") as rows:
        at_once = max(1, min(_CLIPS_AT_ONCE, _FRAMES_AT_ONCE // max(1, rows.shape[1])))
        for first in range(0, num_clips, at_once):
            last = min(first + at_once, num_clips)
            some = slice(first, last)
            yield PointsPiece(path, rows.read(last - first), columns.select_clips(some), videos[some])


def _as_coco(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert frames (n, 75, 3) to COCO-WholeBody keypoints (n, 133, 3)."""
    frames = as_float64(points)
    left, right = NUM_POSE_POINTS, NUM_POSE_POINTS + 21
    return as_coco(frames[:, :left], frames[:, left:right], frames[:, right:], size)


LAYOUT = ClipFormat(FORMAT, read_clip)
