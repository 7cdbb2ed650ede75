"""Reader of DWPose's keypoints in `.npz`, one file a clip. See docs/reference/formats.md.

Two forms are published: `all_xy` (T, 128, 2) and `all_score` (T, 128) of one person, or `frames`
(T, people, 134, 2) and `confidences` (T, people, 134). Body and hands have the order of OpenPose: a body of
COCO-18, then the left hand before the right one. Where the hands begin among 128 points is not documented.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from core.corpora.readers.checks.people import OnePerson
from core.corpora.readers.checks.pixels import SIZE_OPTIONS, check_pixels, stated_size
from core.corpora.readers.checks.seen import MIN_CONFIDENCE
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats.openpose_json import TRUNK_BODY_POINTS
from core.corpora.readers.formats.pose_pickle import in_fractions
from core.corpora.readers.frame_size import chosen_size
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.clip_size import check_frames, check_people
from core.corpora.readers.untrusted.npz import UntrustedNpz, as_float64
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS, LEFT_HAND, NUM_HAND_JOINTS, RIGHT_HAND, TRUNK
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "dwpose"

_ONE_PERSON, _PEOPLE = ("all_xy", "all_score"), ("frames", "confidences")
_NUM_POINTS = {"all_xy": 128, "frames": 134}
_BODY_AND_FEET = 24
_NUM_BODY, _NUM_FACE = 18, 68
_HANDS_AFTER_BODY = _NUM_BODY
_HANDS_AFTER_FACE = _NUM_BODY + _NUM_FACE
_WRISTS = (4, 7)
_COCO = np.array(COCO_WHOLEBODY_JOINTS)

Points = Float64[np.ndarray, "T V 3"]


def fits(file: UntrustedNpz) -> bool:
    """Whether an `.npz` has the arrays of one of the forms."""
    return _ONE_PERSON[0] in file or _PEOPLE[0] in file


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a clip; of several people one is followed."""
    (path,) = clip.files
    with UntrustedNpz(path) as file:
        if _ONE_PERSON[0] in file:
            points = _of_one_person(file)
            first_hand = _first_hand(points)
        else:
            points = _followed(*_arrays(file, *_PEOPLE), path, report)
            first_hand = _BODY_AND_FEET + _NUM_FACE
        keypoints = _as_coco(points, first_hand)
        fractions = in_fractions(keypoints)
        stated = _frame_size(file, None if fractions else keypoints, options, report)
        size = chosen_size(clip.name, stated, options, report) or stated_size(path, None)
        rate = _frame_rate(file)
    if fractions:
        keypoints[:, :, :2] *= size
    check_pixels(keypoints, path)
    return RawClip.of(keypoints, size, clip.name, frame_rate=rate)


def _of_one_person(file: UntrustedNpz) -> Points:
    """Return the points (T, 128, 3); zeros in the frames in which no person was detected."""
    points = _joined(*_arrays(file, *_ONE_PERSON))
    if "detected" in file:
        detected = file.array("detected")
        if detected.shape != points.shape[:1] or detected.dtype.kind not in "fiub":
            raise CorpusError(f"{file.path}: 'detected' must be one number per frame; got {detected.shape}.")
        points[detected == 0] = 0
    return points


def _arrays(file: UntrustedNpz, positions: str, scores: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Read positions (T, ..., V, 2) and, if the file has them, scores (T, ..., V)."""
    num_points = _NUM_POINTS[positions]
    xy = file.array(positions)
    shape = "(frames, 128, 2)" if positions == _ONE_PERSON[0] else "(frames, people, 134, 2)"
    axes = 3 if positions == _ONE_PERSON[0] else 4
    if xy.ndim != axes or xy.shape[-2:] != (num_points, 2) or xy.dtype.kind not in "fiu":
        raise CorpusError(
            f"{file.path}: {positions!r} must be numbers of shape {shape}; got {xy.dtype} {xy.shape}."
        )
    check_frames(len(xy), file.path)
    if scores not in file:
        return xy, None
    confidence = file.array(scores)
    if confidence.shape != xy.shape[:-1] or confidence.dtype.kind not in "fiu":
        raise CorpusError(
            f"{file.path}: {scores!r} must be numbers of shape {xy.shape[:-1]}; got {confidence.dtype} "
            f"{confidence.shape}."
        )
    return xy, confidence


def _joined(xy: np.ndarray, confidence: np.ndarray | None) -> np.ndarray:
    """Join positions (..., V, 2) and scores (..., V) to (..., V, 3); without scores, known points have 1."""
    positions = as_float64(xy)
    if confidence is None:
        confidence = np.isfinite(positions).all(axis=-1)
    return np.concatenate([positions, as_float64(confidence)[..., None]], axis=-1)


def _followed(xy: np.ndarray, confidence: np.ndarray | None, path: Path, report: ReadReport) -> Points:
    """Return one person's points; a person without any known point is left out."""
    check_people(xy.shape[1], path)
    one = OnePerson(report)
    points = np.zeros((len(xy), xy.shape[2], 3))
    for index, frame in enumerate(xy):
        people = _joined(frame, None if confidence is None else confidence[index])
        person = one.choose([person for person in people if np.isfinite(person[:, :2]).any()])
        if person is not None:
            points[index] = person
    return points


def _first_hand(points: Points) -> int:
    """Return where the left hand begins among 128 points: after the body, or after body and face.

    The right place is the one where the hands begin at the wrists of the arms.
    """
    return min((_HANDS_AFTER_BODY, _HANDS_AFTER_FACE), key=lambda first: _from_wrists(points, first))


def _from_wrists(points: Points, first_hand: int) -> float:
    """Median distance of the hands' first points to the nearer wrist; infinite if none are seen."""
    roots = points[:, [first_hand, first_hand + NUM_HAND_JOINTS]]
    wrists = points[:, _WRISTS]
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.linalg.norm(roots[:, :, None, :2] - wrists[:, None, :, :2], axis=-1)
    known = _sure(roots)[:, :, None] & _sure(wrists)[:, None, :]
    nearest = np.where(known, apart, np.inf).min(axis=2)
    measured = nearest[np.isfinite(nearest)]
    return float(np.median(measured)) if len(measured) else float("inf")


def _as_coco(points: Points, first_hand: int) -> Float64[np.ndarray, "T 133 3"]:
    keypoints = np.zeros((len(points), NUM_RAW_JOINTS, 3))
    keypoints[:, _COCO[TRUNK]] = points[:, TRUNK_BODY_POINTS]
    second_hand = first_hand + NUM_HAND_JOINTS
    keypoints[:, _COCO[LEFT_HAND]] = points[:, first_hand:second_hand]
    keypoints[:, _COCO[RIGHT_HAND]] = points[:, second_hand : second_hand + NUM_HAND_JOINTS]
    return keypoints


def _frame_size(
    file: UntrustedNpz, keypoints: Points | None, options: ReadOptions, report: ReadReport
) -> tuple[int, int] | None:
    """Return (width, height). The file does not say which of its two numbers is which: the points decide.

    `keypoints` are in pixels; None if they are fractions, which fit any frame.
    """
    if "frame_size" not in file:
        return None
    values = file.array("frame_size")
    if values.shape != (2,) or values.dtype.kind not in "fiu":
        raise CorpusError(f"{file.path}: 'frame_size' must be two numbers of pixels.")
    first, second = as_float64(values).tolist()
    if not 2 <= min(first, second) <= max(first, second) <= 1e6:
        raise CorpusError(
            f"{file.path}: 'frame_size' must be between 2 and 1000000 pixels; got {first:g} x {second:g}."
        )
    size = round(first), round(second)
    if keypoints is None and options.image_size is None and first != second:
        report.note(
            f"'frame_size' was read as (width, height), for example {first:g} x {second:g}. x and y are "
            "fractions of the frame, so the points do not tell. If it is (height, width), set "
            f"{SIZE_OPTIONS}."
        )
    if options.image_size == size[::-1] or (
        keypoints is not None and _inside(keypoints, size[::-1]) > _inside(keypoints, size)
    ):
        report.note("'frame_size' was read as (height, width), because the points do not fit otherwise.")
        size = size[::-1]
    return size


def _inside(keypoints: Points, size: tuple[int, int]) -> int:
    """Count the seen points within a frame of this (width, height)."""
    within = (keypoints[:, :, :2] <= size).all(axis=2)
    return int(np.count_nonzero(within & _sure(keypoints)))


def _sure(points: Points) -> Bool[np.ndarray, "T V"]:
    return np.isfinite(points).all(axis=2) & (points[:, :, 2] > MIN_CONFIDENCE)


def _frame_rate(file: UntrustedNpz) -> float | None:
    if "fps" not in file:
        return None
    value = file.array("fps")
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise CorpusError(f"{file.path}: 'fps' must be one number of frames a second.")
    return float(value.reshape(-1)[0])


LAYOUT = ClipFormat(FORMAT, read_clip)
