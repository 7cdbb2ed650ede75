"""Crop box of each hand (paper, section III-A): around its points, or else extrapolated from the arm.

The frame axis is last, so that every step is one pass over contiguous numbers.
"""

import numpy as np
from jaxtyping import Bool, Float64

POINT_CONFIDENCE = 0.1
"""Points with a confidence above this define the box."""
MIN_POINTS = 10
"""With fewer such points, the box is extrapolated from the arm."""

_SCALE = 2.2
_MARGIN_PIXELS = 50


def hand_boxes(
    hand: Float64[np.ndarray, "21 3 n"],
    arm: Float64[np.ndarray, "3 3 n"],
    image: Float64[np.ndarray, "2 n"],
    *,
    arm_confidence: float,
    wrist_above_margin: bool,
) -> tuple[Float64[np.ndarray, "3 n"], Bool[np.ndarray, " n"]]:
    """Return each frame's crop box (corner x, corner y, side), and which frames have a valid one.

    `hand` and `arm` (shoulder, elbow, wrist) are x, y and confidence; `image` is width and height.
    """
    sure = hand[:, 2] > POINT_CONFIDENCE
    seen = np.count_nonzero(sure, axis=0) >= MIN_POINTS
    from_points = _box_of_points(hand[:, :2], sure, image)
    if seen.all():
        return from_points, seen
    trusted = arm[:, 2].min(axis=0) >= arm_confidence
    if wrist_above_margin:
        trusted &= arm[2, 1] < image[1] - _MARGIN_PIXELS
    nothing = np.array([[0.0], [0.0], [1.0]])
    boxes = np.where(seen, from_points, np.where(trusted, _box_of_arm(arm, image), nothing))
    return boxes, seen | trusted


def _box_of_points(
    points: Float64[np.ndarray, "21 2 n"], sure: Bool[np.ndarray, "21 n"], image: Float64[np.ndarray, "2 n"]
) -> Float64[np.ndarray, "3 n"]:
    """Return a square 2.2 times the confident points' bounding box, shifted into the image.

    It is meaningless for frames without confident points.
    """
    low = np.where(sure[:, None], points, np.inf).min(axis=0)  # (2, n)
    high = np.where(sure[:, None], points, -np.inf).max(axis=0)
    has_points = np.isfinite(low)
    low, high = np.where(has_points, low, 0.0), np.where(has_points, high, 0.0)
    side = np.rint(_SCALE * (high - low).max(axis=0))
    side = np.clip(side, 1.0, image.min(axis=0) - 1)  # at least 1, to avoid division by zero
    corner = np.rint((low + high) / 2 - side / 2)
    corner = np.clip(corner, 0.0, image - 1 - side)
    return np.concatenate([corner, side[None]])


def _box_of_arm(
    arm: Float64[np.ndarray, "3 3 n"], image: Float64[np.ndarray, "2 n"]
) -> Float64[np.ndarray, "3 n"]:
    """Return a square beyond the wrist, with a side estimated from the arm, clipped to the image."""
    shoulder, elbow, wrist = arm[:, :2]
    forearm = np.linalg.norm(wrist - elbow, axis=0)
    upper_arm = np.linalg.norm(elbow - shoulder, axis=0)
    side = 1.1 * np.maximum(forearm, 0.9 * upper_arm)
    corner = np.maximum(wrist + 0.33 * (wrist - elbow) - side / 2, 0.0)
    side = np.minimum(side, (image - corner).min(axis=0))
    return np.concatenate([corner, np.maximum(side, 1.0)[None]])
