"""Reader of `MP_Data` folders: `<sign>/<take>/<frame>.npy`, a vector of MediaPipe Holistic values per frame.

A vector has one of three lengths:

* 258 values: pose 33 x (x, y, z, visibility), left hand 21 x (x, y, z), right hand 21 x (x, y, z).
* 1662 values: the same, with a face of 468 x (x, y, z) between pose and hands.
* 126 values: both hands only.
"""

import math
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from core.corpora.readers.checks.frame_gaps import count_gaps
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
from core.corpora.readers.untrusted.npz import npy_rows
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "mp_data"
HANDS_ALONE, POSE_AND_HANDS, WITH_FACE = 126, 258, 1662
"""Number of values in a frame, by content."""

_HAND = 63
_POSE = NUM_POSE_POINTS * 4


def group_takes(folder: Path, files: Sequence[Path]) -> list[ClipFiles]:
    """Group the `.npy` files `<sign>/<take>/<frame>.npy` of a folder by take.

    Raises:
        CorpusError: a file is not in a folder of that depth.
    """
    for path in files:
        if len(path.relative_to(folder).parts) < 3:
            raise CorpusError(f"{path}: in mp_data, frames must be at <sign>/<take>/<frame>.npy.")
    return [
        ClipFiles(str(take.relative_to(folder)), tuple(frames), take.parent.name)
        for take, frames in groupby(files, key=lambda path: path.parent)
    ]


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a take's frames."""
    size = frame_size(options, report)
    values = _take_values(clip.files)
    count_gaps((_frame_number(path)[0] for path in clip.files), report)
    if values.shape[1] == HANDS_ALONE:
        report.note("Frames of 126 values have only the hands: the trunk is zero and not visible.")
    keypoints = _keypoints(values, size)
    check_fractions(keypoints, size, clip.files[0])
    return RawClip.of(keypoints, size, clip.name)


def _take_values(frames: Sequence[Path]) -> np.ndarray:
    """Read a take's vectors in the order of their frame numbers, (T, values)."""
    ordered = sorted(frames, key=_frame_number)
    check_frames(len(ordered), ordered[0].parent)
    vectors: list[np.ndarray] = []
    for path in ordered:
        vector = _vector(path)
        if vector.dtype.kind not in "fiu" or vector.size not in (HANDS_ALONE, POSE_AND_HANDS, WITH_FACE):
            raise CorpusError(
                f"{path} holds {vector.size} values of type {vector.dtype}; a frame must have {HANDS_ALONE}, "
                f"{POSE_AND_HANDS} or {WITH_FACE} numbers."
            )
        if vectors and vector.size != vectors[0].size:
            raise CorpusError(
                f"{path} has {vector.size} values, but the first frame of its take has {vectors[0].size}."
            )
        vectors.append(vector)
    return np.stack([vector.reshape(-1).astype("f8") for vector in vectors])


def _vector(path: Path) -> np.ndarray:
    """Read a frame; an empty array if it has more values than a frame can have."""
    with npy_rows(path) as rows:
        return rows.read_all() if math.prod(rows.shape) <= WITH_FACE else np.empty(0)


def _frame_number(path: Path) -> tuple[int, str]:
    """Return the last number in the file's name, so that frame_10 is sorted after frame_9."""
    numbers = re.findall(r"\d+", path.stem)
    if not numbers:
        raise CorpusError(f"{path} has no frame number in its name.")
    return int(numbers[-1]), path.name


def _keypoints(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    num_frames, num_values = values.shape
    left, right = values[:, -2 * _HAND : -_HAND], values[:, -_HAND:]
    pose = None
    if num_values != HANDS_ALONE:
        pose = values[:, :_POSE].reshape(num_frames, NUM_POSE_POINTS, 4)[:, :, [0, 1, 3]]
    left_hand, right_hand = (with_confidence(hand.reshape(num_frames, 21, 3)) for hand in (left, right))
    return as_coco(pose, left_hand, right_hand, size)


LAYOUT = ClipFormat(FORMAT, read_clip, group_takes, frames_apart=True)
