"""Reader of ASL Citizen's pose files: `.npy` of one clip, MediaPipe Holistic points (T, 543, 2).

The order is that of the baseline's extraction: pose 33, right hand 21, left hand 21, face 468. x and y are
fractions of the frame. A part that was not detected in a frame is zero, or has
all points at another place. There are no confidences.
"""

from pathlib import Path

import numpy as np

from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats.mediapipe_points import (
    NUM_POSE_POINTS,
    as_coco,
    check_fractions,
    frame_size,
    with_confidence,
)
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.clip_size import check_frames
from core.corpora.readers.untrusted.npz import as_float64, npy_rows
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.skeleton import NUM_HAND_JOINTS
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "mediapipe_npy"
NUM_POINTS = 543
"""33 pose points, 21 of the right hand, 21 of the left, 468 of the face."""

_LEFT = NUM_POSE_POINTS + NUM_HAND_JOINTS
_FACE = _LEFT + NUM_HAND_JOINTS


def fits(path: Path) -> bool:
    """Whether the header of a `.npy` file states the shape (T, 543, ...).

    Raises:
        CorpusError: the file is damaged.
    """
    with npy_rows(path) as rows:
        return len(rows.shape) == 3 and rows.shape[1] == NUM_POINTS


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a clip's points."""
    (path,) = clip.files
    points = _points(path)
    size = frame_size(clip.name, None, options, report)
    report.note(
        "Arrays (frames, 543, 2) were read in the order of ASL Citizen: pose, right hand, left hand, face."
    )
    pose = points[:, :NUM_POSE_POINTS]
    left_hand, right_hand = points[:, _LEFT:_FACE], points[:, NUM_POSE_POINTS:_LEFT]
    keypoints = as_coco(pose, left_hand, right_hand, size)
    check_fractions(keypoints, size, path)
    return RawClip.of(keypoints, size, clip.name)


def _points(path: Path) -> np.ndarray:
    """Read the points (T, 543, 3): x, y, and 1 for confidence."""
    with npy_rows(path) as rows:
        check_frames(rows.shape[0] if rows.shape else 0, path)
        if len(rows.shape) != 3 or rows.shape[1:] != (NUM_POINTS, 2) or rows.dtype.kind not in "fiu":
            raise CorpusError(
                f"{path} must hold numbers of shape (frames, {NUM_POINTS}, 2), in the order pose, right "
                f"hand, left hand, face; it holds {rows.dtype} {rows.shape}."
            )
        values = rows.read_all()
    return with_confidence(as_float64(values[:, :_FACE]))


LAYOUT = ClipFormat(FORMAT, read_clip)
