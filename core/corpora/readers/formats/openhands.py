"""The keypoints in OpenHands' pickles: MediaPipe points (T, 75, C) and confidences (T, 75)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64

from core.corpora.readers.formats.mediapipe_points import NUM_POSE_POINTS, as_coco
from core.corpora.readers.untrusted.clip_size import MAX_FRAMES
from core.corpora.readers.untrusted.npz import as_float64
from core.pose.skeleton import NUM_HAND_JOINTS

NUM_POINTS = 75
"""33 pose points, 21 of the left hand, 21 of the right."""
CONFIDENCES = "confidences"

_RIGHT = NUM_POSE_POINTS + NUM_HAND_JOINTS


def fits(facts: Mapping[Any, Any]) -> bool:
    """Whether a pickle's dict has OpenHands' array of confidences."""
    return CONFIDENCES in facts


def coco_keypoints(facts: Mapping[Any, Any]) -> Float64[np.ndarray, "T 133 3"]:
    """Convert the points to COCO-WholeBody keypoints in the unit of the file.

    Raises:
        ValueError: other shapes, or more frames than a clip may have.
    """
    points, confidences = facts["keypoints"], facts[CONFIDENCES]
    for array in (points, confidences):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            raise ValueError("its keypoints and confidences must be arrays of numbers")
    if points.ndim != 3 or points.shape[1] != NUM_POINTS or points.shape[2] not in (2, 3):
        raise ValueError(
            f"beside 'confidences', its keypoints must have the shape (frames, {NUM_POINTS}, 2 or 3): pose, "
            f"left hand, right hand; got {points.shape}"
        )
    if confidences.shape != points.shape[:2]:
        raise ValueError(f"it has keypoints {points.shape}, but confidences {confidences.shape}")
    if len(points) > MAX_FRAMES:
        raise ValueError(f"it has {len(points)} frames; the limit is {MAX_FRAMES}")
    joined = np.concatenate([as_float64(points[:, :, :2]), as_float64(confidences)[:, :, None]], axis=2)
    pose, left, right = np.split(joined, [NUM_POSE_POINTS, _RIGHT], axis=1)
    return as_coco(pose, left, right, (1, 1))
