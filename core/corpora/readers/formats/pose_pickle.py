"""Reader of one clip's keypoints in a pickle, as Uni-Sign, MMPose scripts and OpenHands save them.

The pickle holds an array (T, 133, 3), a list of frames, or a dict with `keypoints`, and with `scores` if
these have no confidence. A frame may hold several people, as arrays (P, 133, ...) or as MMPose's results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from core.corpora.readers.checks.exchanged_axes import are_at_one_place
from core.corpora.readers.checks.people import OnePerson
from core.corpora.readers.checks.pixels import SIZE_OPTIONS, check_pixels
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats import openhands
from core.corpora.readers.formats.mediapipe_points import HIGHEST_VISIBILITY, frame_size
from core.corpora.readers.frame_size import chosen_size
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.scores import SCORES, are_of_points, with_scores
from core.corpora.readers.untrusted.clip_size import (
    MAX_FRAMES,
    MAX_PEOPLE,
    check_shape,
    holds_only_numbers,
)
from core.corpora.readers.untrusted.npz import as_corpus_error, as_float64
from core.corpora.readers.untrusted.safe_pickle import load_pickle
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "pose_pickle"

KEYPOINTS = "keypoints"
"""Key that every dict of one clip has; a dict without it holds many clips."""

_OF_EACH_FRAME = "w_h"
"""Uni-Sign's (width, height) of the clip or of each frame."""
_SHAPES = ("img_shape", "original_shape")
"""MMPose's (height, width)."""
_MIN_CONFIDENCE = 0.3
_LARGEST_FRACTION = 4.0
"""If all confident points have coordinates below this, they are fractions of the frame, not pixels."""


@dataclass(frozen=True)
class Pose:
    """A clip's keypoints (T, 133, 3): x, y (in pixels, or fractions of the frame), confidence.

    `image_size` is (width, height) in pixels, None if the file does not state it. `highest_confidence` is the
    limit of the format, None if it has none.
    """

    keypoints: Float64[np.ndarray, "T 133 3"]
    image_size: tuple[int, int] | None = None
    in_fractions: bool = False
    frame_rate: float | None = None
    highest_confidence: float | None = None

    def as_clip(self, name: str, options: ReadOptions, report: ReadReport) -> RawClip:
        """Make the clip, and apply the options for benchmarks.

        Raises:
            CorpusError: the frame size is unknown.
            PoseError: keypoints of the wrong shape.
        """
        size = self._size(name, options, report)
        keypoints = self.keypoints * (*size, 1) if self.in_fractions else self.keypoints
        if options.benchmark.drop_last_frame:
            keypoints = keypoints[:-1]
        return RawClip.of(
            keypoints,
            size,
            name,
            frame_rate=self.frame_rate,
            highest_confidence=self.highest_confidence,
        )

    def _size(self, name: str, options: ReadOptions, report: ReadReport) -> tuple[int, int]:
        size = chosen_size(name, self.image_size, options, report)
        if size is None and self.in_fractions:
            return frame_size(name, None, options, report)
        if size is None:
            raise CorpusError(
                f"The frame size of clip {name!r} in pixels is neither in its pose file nor in the lists. "
                f"Set {SIZE_OPTIONS}."
            )
        return size


def read_pose(path: Path, report: ReadReport) -> Pose:
    """Read the clip of a pickle.

    Raises:
        CorpusError: damaged, not plain values, or no COCO-WholeBody keypoints.
    """
    return pose_of(load_pickle(path), path, report)


def pose_of(value: object, path: Path, report: ReadReport) -> Pose:
    """Convert a pickle's value to a clip; `path` is named in errors.

    Raises:
        CorpusError: the value is not a clip of COCO-WholeBody keypoints, or of OpenHands' points.
    """
    facts = value if isinstance(value, Mapping) else {KEYPOINTS: value}
    with as_corpus_error(path), np.errstate(invalid="ignore"):  # no warning for a signalling NaN
        try:
            size = _size_of_frames(facts)
            if openhands.fits(facts):
                keypoints = openhands.coco_keypoints(facts)
            else:
                keypoints = _numbers(_keypoints(facts, report))
            span = _stated_span(facts, len(keypoints))
        except (LookupError, AttributeError) as error:
            raise ValueError(f"it has no keypoints in the expected place ({error!r})") from None
    if keypoints.shape[1:] != (NUM_RAW_JOINTS, 3):
        raise CorpusError(
            f"{path}: the keypoints of a clip must have the shape (frames, {NUM_RAW_JOINTS}, 3), or (..., 2) "
            f"and scores; got {keypoints.shape} in a {type(value).__name__}."
        )
    fractions = in_fractions(keypoints)
    if not fractions:
        with np.errstate(invalid="ignore"):
            check_pixels(keypoints, path)
    limit = HIGHEST_VISIBILITY if openhands.fits(facts) else None
    return Pose(keypoints[span], size, fractions, highest_confidence=limit)


def _read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    return read_pose(clip.files[0], report).as_clip(clip.name, options, report)


def _numbers(keypoints: np.ndarray) -> np.ndarray:
    if keypoints.dtype.kind not in "fiu":
        raise ValueError(f"its keypoints must be numbers; got {keypoints.dtype}")
    return keypoints.astype(np.float64)


def _keypoints(facts: Mapping[Any, Any], report: ReadReport) -> np.ndarray:
    """Return the keypoints (T, 133, 3) of one person per frame, zeros for frames without a person."""
    frames, scores = facts[KEYPOINTS], _scores_of(facts)
    if len(frames) > MAX_FRAMES:
        raise ValueError(f"it has {len(frames)} frames; the limit is {MAX_FRAMES}")
    if isinstance(frames, np.ndarray) and frames.ndim == 3 and frames.shape[2] != 2:
        of_points = isinstance(scores, np.ndarray) and are_of_points(frames.shape, scores.shape)
        return _joined(frames, scores) if of_points else frames
    if scores is not None and len(scores) != len(frames):
        raise ValueError(f"it has keypoints of {len(frames)} frames, but scores of {len(scores)} frames")
    if isinstance(frames, np.ndarray) and frames.ndim == 4 and len(frames) == 1 and _are_frames(frames[0]):
        raise ValueError(
            f"its array {frames.shape} has one frame of {frames.shape[1]} people at one place, who are "
            f"probably frames. Save an array {frames.shape[1:]}, which has the frames first"
        )
    each = [None] * len(frames) if scores is None else scores
    people = (_people(frame, score) for frame, score in zip(frames, each, strict=True))
    empty = np.zeros((NUM_RAW_JOINTS, 3))
    one = OnePerson(report)
    chosen = [empty if (person := one.choose(list(found))) is None else person for found in people]
    return np.stack(chosen) if chosen else np.zeros((0, NUM_RAW_JOINTS, 3))


def _are_frames(people: np.ndarray) -> bool:
    if people.dtype.kind not in "fiu" or people.shape[-1] not in (2, 3):
        return False
    sure = np.ones(people.shape[:2])
    return are_at_one_place(with_scores(people, sure) if people.shape[-1] == 2 else as_float64(people))


def _people(frame: Any, scores: Any) -> np.ndarray:
    """Return a frame's people (P, 133, 3)."""
    if isinstance(frame, Mapping):
        frame = [frame]
    if len(frame) > MAX_PEOPLE:
        raise ValueError(f"a frame has {len(frame)} people or points; the limit is {MAX_PEOPLE}")
    if isinstance(frame, Sequence) and frame and isinstance(frame[0], Mapping):
        return np.concatenate([_people(person[KEYPOINTS], _scores_of(person)) for person in frame])
    people = _as_array(frame)
    people = people[None] if people.ndim == 2 else people
    if len(people) and (people.ndim != 3 or people.shape[1] != NUM_RAW_JOINTS):
        raise ValueError(f"a frame has keypoints of shape {people.shape}; a person has {NUM_RAW_JOINTS}")
    if scores is None or people.ndim != 3:
        return people
    confidence = _as_array(scores)
    if people.shape[2] != 2 and confidence.size <= len(people):
        return people  # a score for each person
    if confidence.size != people.shape[0] * people.shape[1]:
        raise ValueError(
            f"a frame has keypoints of shape {people.shape}, but scores of shape {confidence.shape}"
        )
    return _joined(people, confidence.reshape(people.shape[:2]))


def _joined(points: np.ndarray, scores: np.ndarray) -> np.ndarray:
    if scores.shape != points.shape[:-1] or points.dtype.kind not in "fiu" or scores.dtype.kind not in "fiu":
        raise ValueError(
            f"its keypoints and scores must be numbers of shapes that fit; got {points.dtype} "
            f"{points.shape} and {scores.dtype} {scores.shape}"
        )
    return with_scores(points, scores)


def _as_array(values: Any) -> np.ndarray:
    if not isinstance(values, np.ndarray) and not holds_only_numbers(values):
        raise ValueError("its keypoints and scores must be numbers")
    array = np.asarray(values)
    check_shape(array.shape)
    return array


def _scores_of(facts: Mapping[Any, Any]) -> Any:
    there = (facts[name] for name in SCORES if name in facts)
    return next((scores for scores in there if isinstance(scores, np.ndarray | Sequence)), None)


def _stated_span(facts: Mapping[Any, Any], num_frames: int) -> slice:
    """Return the frames from `start` (included) to `end` (excluded) that belong to the clip, if stated."""
    if "start" not in facts or "end" not in facts:
        return slice(None)
    start, end = int(facts["start"]), int(facts["end"])
    if not 0 <= start < end <= num_frames:
        raise ValueError(f"'start' {start} and 'end' {end} are not a range within its {num_frames} frames")
    return slice(start, end)


def in_fractions(keypoints: np.ndarray) -> bool:
    """Whether keypoints (T, V, 3) are in fractions of the frame: all sure points are below 4."""
    sure = keypoints[np.nan_to_num(keypoints[:, :, 2]) > _MIN_CONFIDENCE][:, :2]
    finite = sure[np.isfinite(sure).all(axis=1)]
    return len(finite) > 0 and float(np.abs(finite).max()) < _LARGEST_FRACTION


LAYOUT = ClipFormat(FORMAT, _read_clip)


def _size_of_frames(facts: Mapping[Any, Any]) -> tuple[int, int] | None:
    """Return the stated (width, height) in pixels, or None.

    Raises:
        ValueError, TypeError: it is not a valid size, or frames have different sizes.
    """
    if "width" in facts and "height" in facts:
        width, height = facts["width"], facts["height"]
    elif _OF_EACH_FRAME in facts and len(facts[_OF_EACH_FRAME]):
        width, height = _only_size(facts[_OF_EACH_FRAME])
    elif (name := next((name for name in _SHAPES if name in facts), None)) is not None:
        height, width = facts[name][:2]
    else:
        return None
    if not 2 <= min(width, height) <= max(width, height) <= 1e6:
        raise ValueError(f"its frame size is {width} x {height} pixels; the limit is 2 to 1000000")
    return round(float(width)), round(float(height))


def _only_size(sizes: Any) -> tuple[float, float]:
    """Return the (width, height) of a pair, or of one pair per frame."""
    if len(sizes) > MAX_FRAMES:
        raise ValueError(f"it has sizes of {len(sizes)} frames; the limit is {MAX_FRAMES}")
    pairs = _as_array(sizes).astype(np.float64).reshape(-1, 2)
    if len(several := np.unique(pairs, axis=0)) > 1:
        named = " and ".join(f"{width:g} x {height:g}" for width, height in several[:2].tolist())
        raise ValueError(f"its frames have {named} pixels; all frames of a clip must have the same size")
    width, height = pairs[0].tolist()
    return width, height
