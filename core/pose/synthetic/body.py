"""Synthetic body: the 133 COCO-WholeBody points in 3D from the motion of the hands.

Lengths are in shoulder widths from the middle of the shoulders. x is right, y down, z away from the camera.
"""

import numpy as np
from numpy.typing import NDArray

from core.pose.synthetic.arm import bend_arm
from core.pose.synthetic.face import FACE
from core.pose.synthetic.hand import HAND_CENTRE, hand_joints, turned
from core.pose.synthetic.motion import HandMotion
from core.pose.synthetic.signers import Signers
from core.pose.synthetic.takes import Takes

NUM_POINTS = 133
FACE_POINTS = slice(23, 91)
LEFT_HAND_POINTS = slice(91, 112)
RIGHT_HAND_POINTS = slice(112, 133)
LEFT_ARM = (5, 7, 9)
RIGHT_ARM = (6, 8, 10)
"""Shoulder, elbow, wrist."""
LOWER_BODY = (*range(11, 17), *range(17, 23))
"""Hips, knees, ankles and feet."""

_SHOULDER = np.array([-0.5, 0.0, 0.0])
_LEGS = np.array(
    [(0.33, 1.5, 0), (-0.33, 1.5, 0), (0.36, 2.7, -0.3), (-0.36, 2.7, -0.3), (0.36, 3.9, 0), (-0.36, 3.9, 0)]
)
_LEFT_FOOT = np.array([(0.46, 4.1, -0.5), (0.40, 4.1, -0.5), (0.36, 4.05, 0.1)])
_HEAD = np.array(
    [(0, 0, -0.14), (0.08, -0.09, -0.06), (-0.08, -0.09, -0.06), (0.2, -0.04, 0.1), (-0.2, -0.04, 0.1)]
)
"""Nose, eyes, ears."""
_SWAY = np.array([0.025, 0.012, 0.02])
_SWAY_FRAMES = 41.0
_MIRROR = np.array([-1.0, 1.0, 1.0])


def body_joints(motion: HandMotion, takes: Takes, signers: Signers) -> NDArray[np.float64]:
    """Return the 133 points (F, 133, 3); each hand's wrist equals its arm's wrist."""
    take, time = takes.concatenated_frames()
    signer = takes.schedule.signer[take]
    dominant, other = (_arm_and_hand(motion, signers, signer, which) for which in range(2))
    left_handed = signers.left_handed[signer][:, None, None]
    right = np.where(left_handed, other, dominant)
    left = np.where(left_handed, dominant, other) * _MIRROR

    joints = np.empty((len(take), NUM_POINTS, 3))
    joints[:, LOWER_BODY] = np.concatenate((_LEGS, _LEFT_FOOT, _LEFT_FOOT * _MIRROR))
    joints[:, RIGHT_ARM], joints[:, RIGHT_HAND_POINTS] = right[:, :3], right[:, 3:]
    joints[:, LEFT_ARM], joints[:, LEFT_HAND_POINTS] = left[:, :3], left[:, 3:]
    sway = _SWAY * np.sin(takes.wander_phase[take, 2] + (2 * np.pi / _SWAY_FRAMES) * time[:, None])
    head = _head(signers.head_height[signer], sway)
    joints[:, :5], joints[:, FACE_POINTS] = head[:, :5], head[:, 5:]
    return joints + 0.5 * sway[:, None]


def _arm_and_hand(
    motion: HandMotion, signers: Signers, signer: NDArray[np.int64], which: int
) -> NDArray[np.float64]:
    """Return shoulder, elbow, wrist and the hand's 21 points (F, 24, 3), as a right arm."""
    size, turns = signers.hand_size[signer], motion.turns[:, which]
    hand = hand_joints(motion.angles[:, which], turns, size)
    fingers = turned(np.array([0.0, -HAND_CENTRE, 0.0]) * size[:, None], turns)
    shoulder = np.broadcast_to(_SHOULDER, fingers.shape)
    elbow, wrist = bend_arm(
        shoulder,
        motion.location[:, which] - fingers,
        upper_arm=signers.upper_arm[signer],
        forearm=signers.forearm[signer],
    )
    return np.concatenate((np.stack((shoulder, elbow, wrist), axis=1), wrist[:, None] + hand), axis=1)


def _head(height: NDArray[np.float64], sway: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return nose, eyes, ears and the 68 points of the face (F, 73, 3)."""
    middle = np.stack((np.zeros_like(height), -height, np.zeros_like(height)), axis=-1)
    return (middle + sway)[:, None] + np.concatenate((_HEAD, _HEAD[0] + FACE))
