"""A clip: one pose sequence of a person signing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from core.errors import PoseError
from core.pose.skeleton import NUM_JOINTS, TRUNK


@dataclass(frozen=True)
class Clip:
    """Normalised points and visibility of one pose sequence.

    `points` (T, 49, 2) float32: hands in coordinates of their crop, the trunk in fractions of the image, as
    returned by `core.pose.normalise`. `visible` (T, 49) bool: True if the confidence was high enough.
    """

    points: Float32[np.ndarray, "T 49 2"]
    visible: Bool[np.ndarray, "T 49"]

    @classmethod
    def of(cls, points: np.ndarray, visible: np.ndarray | None = None) -> "Clip":
        """Check and convert arrays; without `visible`, every point other than (0, 0) is visible.

        Raises:
            PoseError: wrong shape, no frames, or a value that is not finite.
        """
        points = np.ascontiguousarray(points, dtype=np.float32)
        if points.ndim != 3 or points.shape[1:] != (NUM_JOINTS, 2):
            raise PoseError(
                f"A clip's points must have the shape (frames, {NUM_JOINTS}, 2); got {points.shape}. "
                "Convert raw keypoints with a reader first."
            )
        if len(points) == 0:
            raise PoseError("A clip must have at least 1 frame; got 0.")
        if not np.isfinite(points).all():
            raise PoseError(
                f"A clip's points must be finite; {int((~np.isfinite(points)).sum())} values are not."
            )
        seen = (points != 0).any(-1) if visible is None else np.ascontiguousarray(visible, dtype=np.bool_)
        if seen.shape != points.shape[:2]:
            raise PoseError(f"`visible` must have the shape {points.shape[:2]}; got {seen.shape}.")
        return cls(points, seen)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def has_trunk(self) -> bool:
        """Whether any frame has a point of the trunk; a source of hands only has all of them at (0, 0)."""
        return bool(self.points[:, TRUNK].any())
