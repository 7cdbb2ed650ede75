"""Convert MediaPipe Holistic points to COCO-WholeBody keypoints in pixels.

MediaPipe has 33 pose points and 21 of each hand, in fractions of the frame. The order within a hand is the
same as COCO's. A part that was not detected has all points at one place, such as 0 or -1, or NaN.
"""

from pathlib import Path

import numpy as np

from core.corpora.readers.checks.pixels import SIZE_OPTIONS
from core.corpora.readers.frame_size import chosen_size
from core.corpora.readers.raw_clip import ReadOptions
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import LARGEST_COORDINATE, NUM_RAW_JOINTS
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS, LEFT_HAND, RIGHT_HAND, TRUNK

NUM_POSE_POINTS = 33
TRUNK_POSE_POINTS = (0, 11, 13, 15, 12, 14, 16)
"""Nose; left shoulder, elbow, wrist; right shoulder, elbow, wrist, among MediaPipe's 33 pose points."""
ASSUMED_SIDE = 1000
"""Side in pixels of the square frame that is assumed if the frame size is unknown."""
FARTHEST_MEDIAN = 4
"""Maximum median coordinate, in frame widths or heights, of points in fractions of the frame."""

HIGHEST_VISIBILITY = 1.0
"""MediaPipe's visibilities are probabilities."""

_COCO = np.array(COCO_WHOLEBODY_JOINTS)


def frame_size(
    name: str, stated: tuple[int, int] | None, options: ReadOptions, report: ReadReport
) -> tuple[int, int]:
    """Return the size of the options or the `stated` one of clip `name`, else a square one with a note."""
    if (size := chosen_size(name, stated, options, report)) is not None:
        return size
    report.note(
        f"The frame size is unknown, so square frames of {ASSUMED_SIDE} x {ASSUMED_SIDE} were assumed. If "
        f"the video is not square, set {SIZE_OPTIONS}."
    )
    return ASSUMED_SIDE, ASSUMED_SIDE


def as_coco(
    pose: np.ndarray | None, left_hand: np.ndarray, right_hand: np.ndarray, image_size: tuple[int, int]
) -> np.ndarray:
    """Make COCO-WholeBody keypoints (n, 133, 3) of `pose` (n, 33, 3) and hands (n, 21, 3): x, y, confidence.

    Without `pose` the trunk is zero and not visible.
    """
    keypoints = np.zeros((len(left_hand), NUM_RAW_JOINTS, 3))
    if pose is not None:
        keypoints[:, _COCO[TRUNK]] = known_or_zero(pose[:, TRUNK_POSE_POINTS])
    keypoints[:, _COCO[LEFT_HAND]] = known_or_zero(left_hand)
    keypoints[:, _COCO[RIGHT_HAND]] = known_or_zero(right_hand)
    keypoints[~np.isfinite(keypoints) | (np.abs(keypoints) > LARGEST_COORDINATE)] = np.nan
    keypoints[:, :, :2] *= image_size
    return keypoints


def check_fractions(keypoints: np.ndarray, image_size: tuple[int, int], path: Path) -> None:
    """Reject keypoints (n, 133, 3) from `as_coco` whose source was in pixels, not in fractions.

    Raises:
        CorpusError: names the file.
    """
    found = keypoints[keypoints[:, :, 2] > 0][:, :2] / image_size
    farthest = np.abs(found[np.isfinite(found).all(axis=1)]).max(axis=1, initial=0)
    if len(farthest) and np.median(farthest) > FARTHEST_MEDIAN:
        raise CorpusError(
            f"{path}: half of all points have coordinates above {np.median(farthest):.3g}, so x and y are "
            "not fractions of the frame. Divide pixels by the frame's width and height."
        )


def with_confidence(hand: np.ndarray) -> np.ndarray:
    """Replace z by confidence 1 in points (n, V, 3) of x, y, z."""
    found = np.ones((*hand.shape[:2], 1))
    return np.concatenate([hand[:, :, :2], found], axis=2)


def known_or_zero(part: np.ndarray) -> np.ndarray:
    """Set a part (n, V, 3) to zero in the frames where all its points are at the same place, or unknown."""
    places = np.nan_to_num(part[:, :, :2])
    is_known = (places[:, 1:] != places[:, :1]).any((1, 2))
    return np.where(is_known[:, None, None], part, 0.0)
