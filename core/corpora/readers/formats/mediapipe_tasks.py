"""Reader of results of MediaPipe's landmarkers in JSON: one file per clip, with a list of frames.

Supports HolisticLandmarker, PoseLandmarker with HandLandmarker, and the older Holistic solution. Names may be
spelled as in JavaScript (`leftHandLandmarks`) or Python (`left_hand_landmarks`).
See docs/reference/formats.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats.mediapipe_points import (
    HIGHEST_VISIBILITY,
    NUM_POSE_POINTS,
    as_coco,
    check_fractions,
    frame_size,
)
from core.corpora.readers.frame_order import objects_in_order
from core.corpora.readers.frame_size import checked_size
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.clip_size import check_frames
from core.corpora.readers.untrusted.json_file import (
    first_of,
    is_object,
    numbers,
    preview,
    read_json,
)
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.skeleton import NUM_HAND_JOINTS
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "mediapipe_tasks"

_POSE = ("poseLandmarks", "pose_landmarks")
_HANDS = {
    "left": ("leftHandLandmarks", "left_hand_landmarks"),
    "right": ("rightHandLandmarks", "right_hand_landmarks"),
}
_BOTH_HANDS = ("handLandmarks", "hand_landmarks", "landmarks")
_HANDEDNESS = ("handednesses", "handedness")
_SIDE = ("categoryName", "category_name")
_KNOWN = {*_POSE, *_HANDS["left"], *_HANDS["right"], *_BOTH_HANDS}
_NO_POSE, _NO_HAND = np.zeros((NUM_POSE_POINTS, 3)), np.zeros((NUM_HAND_JOINTS, 3))


@dataclass(frozen=True)
class Frame:
    """Points detected in a frame: x, y, confidence; all zero if nothing was detected."""

    pose: Float64[np.ndarray, "33 3"]
    left: Float64[np.ndarray, "21 3"]
    right: Float64[np.ndarray, "21 3"]


def fits(document: object) -> bool:
    """Whether a JSON document is a list of landmarker results."""
    frames = _frames(document)
    return isinstance(frames, list) and any(
        is_object(frame) and not _KNOWN.isdisjoint(frame) for frame in frames
    )


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a clip's landmarks."""
    (path,) = clip.files
    document = read_json(path)
    if not fits(document):
        raise CorpusError(
            f"{path} is not a list of MediaPipe results: none of its frames has {_POSE[0]!r}, "
            f"{_HANDS['left'][0]!r} or {_BOTH_HANDS[0]!r}; got {preview(document)}."
        )
    frames = _frames(document)
    assert isinstance(frames, list)
    check_frames(len(frames), path)
    found = [_frame(frame, path) for frame in objects_in_order(frames, path, report)]
    size = frame_size(clip.name, _stated_size(document, path), options, report)
    pose, left, right = (
        np.stack([getattr(frame, part) for frame in found]) for part in ("pose", "left", "right")
    )
    keypoints = as_coco(pose, left, right, size)
    check_fractions(keypoints, size, path)
    return RawClip.of(
        keypoints,
        size,
        clip.name,
        frame_rate=_frame_rate(document, path),
        highest_confidence=HIGHEST_VISIBILITY,
    )


def _frames(document: object) -> object:
    return document.get("frames") if is_object(document) else document


def _frame(frame: object, path: Path) -> Frame:
    if frame is None:
        frame = {}
    if not is_object(frame):
        raise CorpusError(f"{path}: a frame must be an object; got {preview(frame)}.")
    sides = _by_handedness(frame, path)
    for side, names in _HANDS.items():
        hand = _of_one(frame, names, NUM_HAND_JOINTS, path)
        if hand is not None:
            sides[side] = hand
    pose = _of_one(frame, _POSE, NUM_POSE_POINTS, path)
    return Frame(
        pose=_NO_POSE if pose is None else pose,
        left=sides.get("left", _NO_HAND),
        right=sides.get("right", _NO_HAND),
    )


def _of_one(
    frame: dict[str, object], names: Sequence[str], num_points: int, path: Path
) -> Float64[np.ndarray, "V 3"] | None:
    """Return the landmarks of the first person, from landmarks or a list of people."""
    name = next((name for name in names if frame.get(name)), None)
    if name is None:
        return None
    landmarks = frame[name]
    if is_object(landmarks):  # JSON written by protobuf
        landmarks = landmarks.get("landmark")
    if _is_nothing(landmarks):
        return None
    first = first_of(landmarks)
    return _points(first if isinstance(first, list) else landmarks, name, num_points, path)


def _by_handedness(frame: dict[str, object], path: Path) -> dict[str, np.ndarray]:
    """Return a HandLandmarker's hands by side; of two hands of one side, the one with more confidence."""
    name = next((name for name in _BOTH_HANDS if frame.get(name)), None)
    if name is None or _is_nothing(frame[name]):
        return {}
    hands = frame[name]
    sides = next((frame[key] for key in _HANDEDNESS if frame.get(key)), None)
    if sides is None and _is_pose(hands):
        raise CorpusError(
            f"{path}: {name!r} has {NUM_POSE_POINTS} points, so it is a result of PoseLandmarker. Rename it "
            f"to {_POSE[0]!r}, and add a HandLandmarker's results."
        )
    if not isinstance(hands, list) or not isinstance(sides, list) or len(sides) != len(hands):
        raise CorpusError(
            f"{path}: {name!r} must be a list of hands, with a list 'handedness' of the same length."
        )
    surest: dict[str, tuple[float, np.ndarray]] = {}
    for hand, category in zip(hands, sides, strict=True):
        side, score = _side(category, path)
        if side not in surest or score > surest[side][0]:
            surest[side] = score, _points(hand, name, NUM_HAND_JOINTS, path)
    return {side: points for side, (_, points) in surest.items()}


def _side(category: object, path: Path) -> tuple[str, float]:
    best = first_of(category) if isinstance(category, list) else category
    word = next((best[key] for key in _SIDE if key in best), None) if is_object(best) else None
    side = word.lower() if isinstance(word, str) else None
    if side not in _HANDS or not is_object(best):
        raise CorpusError(f"{path}: a hand's handedness must be 'Left' or 'Right'; got {preview(category)}.")
    score = best.get("score", 0.0)
    return side, float(numbers(score, path=path, name="score")) if isinstance(score, int | float) else 0.0


def _is_nothing(landmarks: object) -> bool:
    """Whether a list has no person: `[]`, or `[[]]` for a person without landmarks."""
    return isinstance(landmarks, list) and all(person == [] for person in landmarks)


def _is_pose(people: object) -> bool:
    first = first_of(people)
    return isinstance(first, list) and len(first) == NUM_POSE_POINTS


def _points(landmarks: object, name: str, num_points: int, path: Path) -> Float64[np.ndarray, "V 3"]:
    if not isinstance(landmarks, list) or len(landmarks) != num_points:
        size = f"a list of {len(landmarks)}" if isinstance(landmarks, list) else preview(landmarks)
        raise CorpusError(f"{path}: {name!r} must be a list of {num_points} landmarks; got {size}.")
    if not all(is_object(point) and "x" in point and "y" in point for point in landmarks):
        raise CorpusError(f"{path}: each of {name!r} must be an object with 'x' and 'y'.")
    values = [[point["x"], point["y"], _confidence(point, num_points)] for point in landmarks]
    return numbers(values, path=path, name=name)


def _confidence(point: dict[str, object], num_points: int) -> object:
    """Return a pose point's visibility, 1 if there is none; MediaPipe has no visibility for hands."""
    visibility = point.get("visibility") if num_points == NUM_POSE_POINTS else None
    return 1 if visibility is None else visibility


def _stated_size(document: object, path: Path) -> tuple[int, int] | None:
    if not is_object(document) or "width" not in document or "height" not in document:
        return None
    return checked_size(document["width"], document["height"], path)


def _frame_rate(document: object, path: Path) -> float | None:
    rate = document.get("fps") if is_object(document) else None
    if rate is not None and not isinstance(rate, int | float):
        raise CorpusError(f"{path}: 'fps' must be a number; got {preview(rate)}.")
    return rate


LAYOUT = ClipFormat(FORMAT, read_clip)
