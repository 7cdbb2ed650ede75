"""The 68 points of a neutral face, in shoulder widths from the tip of the nose."""

import numpy as np
from numpy.typing import NDArray


def _arc(
    num_points: int, middle: tuple[float, float], radii: tuple[float, float], first: float, last: float
) -> NDArray[np.float64]:
    """Return points on an ellipse, from the angle `first` to `last` in degrees (0 right, 90 down)."""
    angles = np.deg2rad(np.linspace(first, last, num_points))
    return np.stack((np.cos(angles), np.sin(angles)), axis=-1) * radii + middle


def _face() -> NDArray[np.float64]:
    jaw = _arc(17, (0.0, -0.04), (0.20, 0.26), 180, 0)
    brows = [_arc(5, (side * 0.09, -0.12), (0.06, 0.04), 200, 340) for side in (-1, 1)]
    bridge = np.stack((np.zeros(4), np.linspace(-0.09, 0.0, 4)), axis=-1)
    nostrils = _arc(5, (0.0, 0.01), (0.04, 0.02), 180, 0)
    eyes = [_arc(7, (side * 0.08, -0.09), (0.035, 0.015), 180, 540)[:6] for side in (-1, 1)]
    lips = [_arc(count + 1, (0.0, 0.10), radii, 180, 540)[:count] for count, radii in _LIPS]
    flat = np.concatenate((jaw, *brows, bridge, nostrils, *eyes, *lips))
    return np.concatenate((flat, 1.5 * flat[:, :1] ** 2), axis=1)


_LIPS = ((12, (0.08, 0.035)), (8, (0.06, 0.015)))

FACE = _face()
"""(68, 3) in the order of COCO-WholeBody: jaw, brows, nose, eyes, mouth."""
