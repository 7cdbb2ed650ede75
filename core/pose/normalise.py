"""From raw COCO-WholeBody keypoints in pixels to a clip (paper, section III-A).

Each hand is cropped by a square box and expressed in that box, the left one mirrored so that both share one
graph network; the trunk is expressed in fractions of the image. Frames without either hand are dropped, long
videos subsampled first. The rounding and the order of the steps are those that reproduce the released data
code's outputs.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from core.errors import PoseError
from core.pose.clip import Clip
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS, LEFT_HAND, NUM_HAND_JOINTS, RIGHT_HAND, TRUNK

NUM_RAW_JOINTS = 133
"""Keypoints of COCO-WholeBody."""
MAX_FRAMES = 150
"""A video of more frames is subsampled."""
LARGEST_COORDINATE = 1e6
"""A keypoint farther out, in pixels, is a detector's accident and counts as missing."""

ProfileName = Literal["wlasl", "msasl", "slr500", "nmfs_csl"]

_BOX_CONFIDENCE = 0.1
_BOX_MIN_POINTS = 10
_BOX_SCALE = 2.2
_ARM_MARGIN_PIXELS = 50
_VISIBLE_CONFIDENCE = 0.5
_MIRROR_ZERO = 255 / 256
_LEFT_ARM = slice(43, 46)
_RIGHT_ARM = slice(46, 49)


@dataclass(frozen=True)
class NormalisationProfile:
    """A benchmark's confidence thresholds.

    `arm_confidence`: shoulder, elbow and wrist need this much before a hand is extrapolated from them.
    `hand_point_confidence`: a hand point below it becomes (0, 0). `wrist_above_margin`: extrapolate only
    where the wrist lies more than 50 pixels above the image's lower edge.
    """

    name: ProfileName
    arm_confidence: float
    hand_point_confidence: float
    wrist_above_margin: bool


PROFILES: dict[ProfileName, NormalisationProfile] = {
    profile.name: profile
    for profile in (
        NormalisationProfile("wlasl", 0.8, 0.5, True),
        NormalisationProfile("msasl", 0.8, 0.5, True),
        # 0.4 is stated for SLR500's hand points, but its golden outputs have all below 0.5 at (0, 0).
        NormalisationProfile("slr500", 0.5, 0.5, False),
        NormalisationProfile("nmfs_csl", 0.5, 0.5, True),
    )
}
"""The profiles of the four benchmarks, by name."""


@dataclass(frozen=True)
class Normalised:
    """A clip, and for each of its frames the index of the raw frame it came from."""

    clip: Clip
    kept_frames: Int64[np.ndarray, " T"]


def normalise(keypoints: np.ndarray, *, width: int, height: int, profile: NormalisationProfile) -> Normalised:
    """Normalise a video's raw keypoints (n, 133, 3): x and y in pixels (y down), confidence in [0, 1].

    A keypoint that is not finite, or absurdly far out, counts as missing (confidence 0, position (0, 0)).

    Raises:
        PoseError: wrong shape, an image below 2 x 2 pixels, or no frame with a hand.
    """
    _check(keypoints, width, height)
    stride = subsample_stride(len(keypoints))
    joints = _cleaned(keypoints[::stride][:, COCO_WHOLEBODY_JOINTS])  # (n, 49, 3)
    image = np.array([width, height], dtype=np.float64)
    right_box, right_found = _boxes(joints[:, RIGHT_HAND], joints[:, _RIGHT_ARM], image, profile)
    left_box, left_found = _boxes(joints[:, LEFT_HAND], joints[:, _LEFT_ARM], image, profile)
    kept = np.flatnonzero(right_found | left_found)
    if len(kept) == 0:
        raise PoseError(
            f"A clip without hands: none of its {len(joints)} frames has {_BOX_MIN_POINTS} points of a hand "
            f"above confidence {_BOX_CONFIDENCE}, or an arm above {profile.arm_confidence}."
        )
    points = np.empty((len(joints), len(COCO_WHOLEBODY_JOINTS), 2))
    visible = joints[:, :, 2] > _VISIBLE_CONFIDENCE
    points[:, TRUNK] = joints[:, TRUNK, :2] / image
    points[:, RIGHT_HAND] = _in_box(joints[:, RIGHT_HAND], right_box, profile)
    points[:, LEFT_HAND] = _mirrored(_in_box(joints[:, LEFT_HAND], left_box, profile))
    for hand, found in ((RIGHT_HAND, right_found), (LEFT_HAND, left_found)):
        points[~found, hand] = 0.0
        visible[~found, hand] = False
    return Normalised(Clip.of(points[kept], visible[kept]), kept * stride)


def subsample_stride(num_frames: int) -> int:
    """Every how many frames a video is read: 1 up to 150 frames, else max(2, ceil(n / 150))."""
    return 1 if num_frames <= MAX_FRAMES else max(2, -(-num_frames // MAX_FRAMES))


def _check(keypoints: np.ndarray, width: int, height: int) -> None:
    if keypoints.ndim != 3 or keypoints.shape[1:] != (NUM_RAW_JOINTS, 3):
        raise PoseError(f"Raw keypoints must be (frames, {NUM_RAW_JOINTS}, 3); got {keypoints.shape}.")
    if keypoints.dtype.kind not in "fiu":
        raise PoseError(f"Raw keypoints must be real numbers; got {keypoints.dtype}.")
    if min(width, height) < 2:
        raise PoseError(f"An image must be at least 2 x 2 pixels; got {width} x {height}.")


def _cleaned(joints: np.ndarray) -> Float64[np.ndarray, "n 49 3"]:
    joints = joints.astype(np.float64)
    known = np.isfinite(joints).all(-1) & (np.abs(joints[..., :2]) <= LARGEST_COORDINATE).all(-1)
    joints[~known] = 0.0
    return joints


def _boxes(
    hand: Float64[np.ndarray, "n 21 3"],
    arm: Float64[np.ndarray, "n 3 3"],
    image: Float64[np.ndarray, " 2"],
    profile: NormalisationProfile,
) -> tuple[Float64[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """Each frame's crop box (corner x, corner y, side), and which frames have one; the others' is any."""
    sure = hand[:, :, 2] > _BOX_CONFIDENCE
    seen = sure.sum(1) >= _BOX_MIN_POINTS
    from_points = _box_of_points(hand[:, :, :2], sure, image)
    from_arm, extrapolated = _box_of_arm(arm, image, profile)
    nothing = np.array([0.0, 0.0, 1.0])
    boxes = np.where(seen[:, None], from_points, np.where(extrapolated[:, None], from_arm, nothing))
    return boxes, seen | extrapolated


def _box_of_points(
    points: Float64[np.ndarray, "n 21 2"], sure: Bool[np.ndarray, "n 21"], image: Float64[np.ndarray, " 2"]
) -> Float64[np.ndarray, "n 3"]:
    """A square 2.2 times the sure points' bounding box, shifted into the image; meaningless without any."""
    anyone = sure.sum(1, keepdims=True) > 0
    low = np.where(anyone, np.where(sure[:, :, None], points, np.inf).min(1), 0.0)  # (n, 2)
    high = np.where(anyone, np.where(sure[:, :, None], points, -np.inf).max(1), 0.0)
    side = np.rint(_BOX_SCALE * (high - low).max(1))
    side = np.clip(side, 1.0, image.min() - 1)  # a hand of one place still gets a box it can be divided by
    corner = np.rint((low + high) / 2 - side[:, None] / 2)
    corner = np.clip(corner, 0.0, image - 1 - side[:, None])
    return np.concatenate([corner, side[:, None]], axis=1)


def _box_of_arm(
    arm: Float64[np.ndarray, "n 3 3"], image: Float64[np.ndarray, " 2"], profile: NormalisationProfile
) -> tuple[Float64[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """A square beyond the wrist, as long as the arm suggests, cut where the image ends."""
    shoulder, elbow, wrist = (arm[:, joint, :2] for joint in range(3))
    trusted = arm[:, :, 2].min(1) >= profile.arm_confidence
    if profile.wrist_above_margin:
        trusted &= wrist[:, 1] < image[1] - _ARM_MARGIN_PIXELS
    forearm = np.linalg.norm(wrist - elbow, axis=1)
    upper_arm = np.linalg.norm(elbow - shoulder, axis=1)
    side = 1.1 * np.maximum(forearm, 0.9 * upper_arm)
    corner = np.maximum(wrist + 0.33 * (wrist - elbow) - side[:, None] / 2, 0.0)
    side = np.minimum(side, (image - corner).min(1))
    return np.concatenate([corner, np.maximum(side, 1.0)[:, None]], axis=1), trusted


def _in_box(
    hand: Float64[np.ndarray, "n 21 3"], boxes: Float64[np.ndarray, "n 3"], profile: NormalisationProfile
) -> Float64[np.ndarray, "n 21 2"]:
    """The hand's points in fractions of its box; those of too little confidence at (0, 0)."""
    assert hand.shape[1] == NUM_HAND_JOINTS
    points = np.maximum((hand[:, :, :2] - boxes[:, None, :2]) / boxes[:, None, 2:], 0.0)
    return np.where(hand[:, :, 2:] < profile.hand_point_confidence, 0.0, points)


def _mirrored(points: Float64[np.ndarray, "n 21 2"]) -> Float64[np.ndarray, "n 21 2"]:
    """x -> 1 - x, whatever lands at 255/256 or beyond back at 0, where the zeroed points belong."""
    mirrored = 1.0 - points[:, :, 0]
    x = np.where(mirrored >= _MIRROR_ZERO, 0.0, mirrored)
    return np.stack([x, points[:, :, 1]], axis=2)
