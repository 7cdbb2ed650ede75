"""Two-link inverse kinematics of the arm: elbow and wrist for a target position."""

import numpy as np
from numpy.typing import NDArray

_POLE = np.array([-0.5, 1.0, 0.3])
"""Pole vector: the elbow points down, a little outward and back (right arm)."""
_AHEAD = np.array([0.0, 0.0, -1.0])
"""Default direction for degenerate cases."""
_NO_LENGTH = 1e-6
_STRAIGHTEST = 0.99
_MOST_BENT = 1.05


def bend_arm(
    shoulder: NDArray[np.float64],
    target: NDArray[np.float64],
    *,
    upper_arm: NDArray[np.float64],
    forearm: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return elbow and wrist (..., 3) of a right arm that reaches for `target`.

    The bones keep their lengths (...). A target that is too far or too near is moved along the line from the
    shoulder until the wrist can reach it.
    """
    to_target = target - shoulder
    target_distance = _length(to_target)
    ahead = _unit(to_target, otherwise=_AHEAD)
    shortest = _MOST_BENT * np.abs(upper_arm - forearm) + 1e-3
    distance = np.clip(target_distance, shortest, _STRAIGHTEST * (upper_arm + forearm))
    along = (upper_arm**2 - forearm**2 + distance**2) / (2 * distance)
    aside = np.sqrt(np.maximum(upper_arm**2 - along**2, 0))
    elbow = shoulder + along[..., None] * ahead + aside[..., None] * _upright(ahead)
    return elbow, shoulder + distance[..., None] * ahead


def _upright(ahead: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit vectors perpendicular to `ahead` that are nearest to the pole vector."""
    nearest, second = (pole - (pole * ahead).sum(-1, keepdims=True) * ahead for pole in (_POLE, _AHEAD))
    return _unit(nearest, otherwise=_unit(second, otherwise=_POLE))


def _unit(vectors: NDArray[np.float64], *, otherwise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalise `vectors`; return `otherwise` for zero vectors."""
    length = _length(vectors)[..., None]
    return np.where(length > _NO_LENGTH, vectors / np.maximum(length, _NO_LENGTH), otherwise)


def _length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt((vectors * vectors).sum(-1))
