"""Kinematic hand model: 21 points in 3D from finger angles and three rotations of the wrist.

Axes are those of the image: x right, y down, z away from the camera. Without rotation, it is a right hand
held up with the palm to the camera: fingers along -y, thumb towards +x, palm towards -z. A left hand is its
mirror image.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.pose.skeleton import NUM_HAND_JOINTS

NUM_FINGERS = 5
NUM_ANGLES = 4
"""Angles per finger, from thumb to little finger: spread, then flexion of its three joints."""

HAND_CENTRE = 0.45
"""Reference point of a hand's location, as a fraction from wrist to the tip of the middle finger."""

_ROOTS = np.array(
    [[0.13, -0.12, -0.03], [0.14, -0.47, 0.0], [0.02, -0.48, 0.0], [-0.09, -0.45, 0.0], [-0.18, -0.40, 0.0]]
)
_BONES = np.array(
    [[0.22, 0.17, 0.14], [0.23, 0.14, 0.11], [0.25, 0.16, 0.11], [0.23, 0.15, 0.11], [0.18, 0.11, 0.10]]
)
_ACROSS = np.array([0.7, 0.0, 0.0, 0.0, 0.0])
"""Fraction of flexion across the palm: fingers bend towards the palm, the thumb also across it."""
_TO_PALM = np.sqrt(1 - _ACROSS**2)

Digit = Literal["straight", "bent", "curved", "round", "claw", "closed"]
Thumb = Literal["out", "along", "across", "opposed"]

_DIGITS: Mapping[Digit, tuple[float, float, float]] = {
    "straight": (3, 5, 3),
    "bent": (80, 8, 5),
    "curved": (35, 40, 25),
    "round": (55, 60, 35),
    "claw": (20, 75, 50),
    "closed": (85, 100, 60),
}
_THUMBS: Mapping[Thumb, tuple[float, float, float, float]] = {
    "out": (62, 0, 5, 0),
    "along": (18, 0, 5, 5),
    "across": (28, 35, 35, 25),
    "opposed": (48, 45, 15, 15),
}
_APART = (14.0, 4.0, -6.0, -17.0)
_TOGETHER = (2.0, 0.0, -1.0, -3.0)


def handshape(thumb: Thumb, digits: tuple[Digit, ...], *, apart: bool = False) -> NDArray[np.float64]:
    """Return the angles (5, 4) in radians of a handshape: its thumb and its four fingers."""
    spreads = _APART if apart else _TOGETHER
    fingers = [(spread, *_DIGITS[digit]) for spread, digit in zip(spreads, digits, strict=True)]
    return np.deg2rad(np.array([_THUMBS[thumb], *fingers]))


def hand_joints(
    angles: NDArray[np.float64], turns: NDArray[np.float64], size: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the 21 points (..., 21, 3) of a right hand whose wrist is the origin.

    `angles` (..., 5, 4) are the fingers' angles in radians. `turns` (..., 3) are the rotations of `turned`.
    `size` (...) is the length of the straight hand, and defines the unit of the result.
    """
    joints = np.zeros((*angles.shape[:-2], NUM_HAND_JOINTS, 3))
    fingers = joints[..., 1:, :].reshape(*angles.shape[:-1], 4, 3)
    fingers[..., 0, :] = _ROOTS
    fingers[..., 1:, :] = _ROOTS[:, None] + np.cumsum(_bone_vectors(angles), axis=-2)
    joints[..., 1:, :] = fingers.reshape(*angles.shape[:-2], NUM_HAND_JOINTS - 1, 3)
    return turned(joints * size[..., None, None], turns[..., None, :])


def turned(points: NDArray[np.float64], turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotate points (..., 3) by the angles (..., 3) in radians: twist, then tilt, then roll.

    Twist is about the finger axis (pronation). Tilt moves the fingers towards the camera. Roll turns them
    clockwise in the image plane. All three are elementwise, so a result does not depend on its batch.
    """
    cosine, sine = np.cos(turns), np.sin(turns)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    x, z = cosine[..., 0] * x + sine[..., 0] * z, cosine[..., 0] * z - sine[..., 0] * x
    y, z = cosine[..., 1] * y - sine[..., 1] * z, cosine[..., 1] * z + sine[..., 1] * y
    x, y = cosine[..., 2] * x - sine[..., 2] * y, cosine[..., 2] * y + sine[..., 2] * x
    return np.stack((x, y, z), axis=-1)


def _bone_vectors(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each finger's three bones (..., 5, 3, 3); they bend in one plane with cumulative angles."""
    flexion = np.cumsum(angles[..., 1:], axis=-1)
    spread = angles[..., :1]
    along, aside = _BONES * np.cos(flexion), _BONES * np.sin(flexion)
    across = _ACROSS[:, None] * aside
    x = along * np.sin(spread) - across * np.cos(spread)
    y = -along * np.cos(spread) - across * np.sin(spread)
    return np.stack((x, y, -_TO_PALM[:, None] * aside), axis=-1)
