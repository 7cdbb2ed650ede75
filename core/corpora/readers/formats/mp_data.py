"""Reader of `MP_Data` folders: `<sign>/<take>/<frame>.npy`, a vector of MediaPipe Holistic values per frame.

A vector has one of three lengths:

* 258 values: pose 33 x (x, y, z, visibility), left hand 21 x (x, y, z), right hand 21 x (x, y, z).
* 1662 values: the same, with a face of 468 x (x, y, z) between pose and hands.
* 126 values: both hands only.

Some recorders write the parts in another order. Nothing in a file tells, but the points do: each hand must
begin at the wrist of its arm. An order in which they do is proposed.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, permutations
from pathlib import Path

import numpy as np

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.body import body_of
from core.corpora.readers.checks.hands_and_arms import NEAR, are_off, hands_of
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats.mediapipe_points import (
    NUM_POSE_POINTS,
    as_coco,
    check_fractions,
    frame_size,
    with_confidence,
)
from core.corpora.readers.frame_order import files_in_order
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.clip_size import check_frames
from core.corpora.readers.untrusted.npz import npy_rows
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import Video
from core.specs.source_formats import SourceFormat, VectorPart

FORMAT: SourceFormat = "mp_data"
HANDS_ALONE, POSE_AND_HANDS, WITH_FACE = 126, 258, 1662
"""Number of values in a frame, by content."""

USUAL_ORDER: tuple[VectorPart, ...] = ("pose", "face", "left_hand", "right_hand")
OTHER_ORDER = FindingKind(
    "other-part-order",
    "In {clips} the parts of the frames are probably in another order than they were read in (for example "
    "{example}). Set part_order (--part-order) to the order in which they were written, and import again.",
    refused_above=0.5,
)
_FEW, _ROUNDING = 0.05, 0.01
_SIZES: dict[VectorPart, int] = {
    "pose": NUM_POSE_POINTS * 4,
    "face": 468 * 3,
    "left_hand": 21 * 3,
    "right_hand": 21 * 3,
}
_PARTS_OF: dict[int, tuple[VectorPart, ...]] = {
    HANDS_ALONE: ("left_hand", "right_hand"),
    POSE_AND_HANDS: ("pose", "left_hand", "right_hand"),
    WITH_FACE: USUAL_ORDER,
}


def is_frame(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape has as many values as a frame."""
    return math.prod(shape) in _PARTS_OF


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
    size = frame_size(clip.name, None, options, report)
    check_frames(len(clip.files), clip.files[0].parent)
    values = _take_values(files_in_order(clip.files, report))
    if values.shape[1] == HANDS_ALONE:
        report.note("Frames of 126 values have only the hands: the trunk is zero and not visible.")
    keypoints = _keypoints(values, size, options.part_order)
    check_fractions(keypoints, size, clip.files[0])
    raw = RawClip.of(keypoints, size, clip.name)
    if doubt := _doubt(values, raw.video, options.part_order or USUAL_ORDER):
        order = _agreeing_order(values, size)
        proposal = f"--part-order {','.join(order)} agrees" if order else "no order agrees"
        report.find(OTHER_ORDER, f"{clip.name}: {doubt}; {proposal}")
    return replace(raw, is_in_doubt=bool(doubt))


def _take_values(ordered: Sequence[Path]) -> np.ndarray:
    """Read a take's vectors, (T, values)."""
    vectors: list[np.ndarray] = []
    for path in ordered:
        vector = _vector(path)
        if vectors and vector.size != vectors[0].size:
            raise CorpusError(
                f"{path} has {vector.size} values, but the first frame of its take has {vectors[0].size}."
            )
        vectors.append(vector)
    return np.stack([vector.reshape(-1).astype("f8") for vector in vectors])


def _vector(path: Path) -> np.ndarray:
    """Read a frame.

    Raises:
        CorpusError: it has another number of values than a frame, or they are not numbers.
    """
    with npy_rows(path) as rows:
        if rows.dtype.kind in "fiu" and is_frame(rows.shape):
            return rows.read_all()
        raise CorpusError(
            f"{path} holds {rows.dtype} of shape {rows.shape}; a frame must have {HANDS_ALONE}, "
            f"{POSE_AND_HANDS} or {WITH_FACE} numbers."
        )


def _keypoints(values: np.ndarray, size: tuple[int, int], order: Sequence[VectorPart]) -> np.ndarray:
    num_frames = len(values)
    parts = _parts(values, order or USUAL_ORDER)
    pose = parts.get("pose")
    if pose is not None:
        pose = pose.reshape(num_frames, NUM_POSE_POINTS, 4)[:, :, [0, 1, 3]]
    left_hand, right_hand = (
        with_confidence(parts[hand].reshape(num_frames, 21, 3)) for hand in ("left_hand", "right_hand")
    )
    return as_coco(pose, left_hand, right_hand, size)


def _parts(values: np.ndarray, order: Sequence[VectorPart]) -> dict[VectorPart, np.ndarray]:
    """Divide vectors into the parts that vectors of this length have."""
    present = _PARTS_OF[values.shape[1]]
    sizes = {part: _SIZES[part] for part in order if part in present}
    missing = [part for part in present if part not in sizes]
    if missing:
        raise CorpusError(
            f"Frames of {values.shape[1]} values have the parts {', '.join(present)}, but part_order "
            f"(--part-order) does not name {', '.join(missing)}."
        )
    ends = np.cumsum(list(sizes.values()))[:-1]
    return dict(zip(sizes, np.split(values, ends, axis=1), strict=True))


def _doubt(values: np.ndarray, video: Video, order: Sequence[VectorPart]) -> str:
    """Return what contradicts an order of the parts; empty if nothing does.

    MediaPipe's visibilities are from 0 to 1, and it finds either all points of a pose or none.
    """
    hands = list(hands_of(body_of(video)))
    if hands and are_off(hands):
        return f"a hand is {max(hand.to_own for hand in hands):.2f} shoulder widths from its arm"
    pose = _parts(values, order).get("pose")
    if pose is None:
        return ""
    points = pose.reshape(-1, NUM_POSE_POINTS, 4)
    points = points[points.any(axis=(1, 2))]
    visibility = points[:, :, 3]
    if len(points) and ((visibility < -_ROUNDING) | (visibility > 1 + _ROUNDING)).mean() > _FEW:
        return f"visibilities are from {visibility.min():.2g} to {visibility.max():.2g}"
    missing = ~points.any(axis=2)
    if len(points) and missing.mean() > _FEW:
        return f"{missing.mean():.0%} of the pose's points are zero beside others"
    return ""


def _agreeing_order(values: np.ndarray, size: tuple[int, int]) -> tuple[VectorPart, ...] | None:
    """Return the order in which the hands lie nearest to their arms; None if they are near in none."""
    best, nearest = None, NEAR
    for order in permutations(_PARTS_OF[values.shape[1]]):
        video = RawClip.of(_keypoints(values, size, order), size, "").video
        distance = max((hand.to_own for hand in hands_of(body_of(video))), default=NEAR)
        if distance < nearest and not _doubt(values, video, order):
            best, nearest = order, distance
    return best


LAYOUT = ClipFormat(FORMAT, read_clip, group_takes, frames_apart=True)
