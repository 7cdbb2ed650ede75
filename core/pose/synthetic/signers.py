"""Synthetic signers: body, handedness, habits, and the camera of each session.

A signer depends only on the seed and the signer's index. So more signers do not change the first ones.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.pose.synthetic.draws import Draw, generator_for

_LEFT_HANDED_EVERY = 4
_FRAME_RATES = (25.0, 30.0)


@dataclass(frozen=True)
class Signers:
    """Traits of N signers as arrays; lengths in shoulder widths, angles in radians."""

    left_handed: NDArray[np.bool_]
    """(N,) whether the left hand is dominant; true for every fourth signer."""
    head_height: NDArray[np.float64]
    """(N,) height of the nose above the shoulders."""
    upper_arm: NDArray[np.float64]
    """(N,) length."""
    forearm: NDArray[np.float64]
    """(N,) length."""
    hand_size: NDArray[np.float64]
    """(N,) length from wrist to the tip of the middle finger."""
    slowness: NDArray[np.float64]
    """(N,) factor on durations."""
    amplitude: NDArray[np.float64]
    """(N,) factor on the width of movements."""
    reach: NDArray[np.float64]
    """(N,) factor on the distance of locations from the chest."""
    location_habit: NDArray[np.float64]
    """(N, 3) added to every location."""
    turn_habit: NDArray[np.float64]
    """(N, 3) added to every orientation."""
    laxness: NDArray[np.float64]
    """(N,) fraction by which all fingers are blended towards a relaxed hand, 0 to 1."""
    rest_location: NDArray[np.float64]
    """(N, 3) location of an idle hand."""


@dataclass(frozen=True)
class Cameras:
    """One camera per session, (N, S): signer n's session s."""

    scale: NDArray[np.float64]
    """Pixels per shoulder width."""
    centre: NDArray[np.float64]
    """(N, S, 2) pixels, the middle of the shoulders."""
    roll: NDArray[np.float64]
    """Radians."""
    yaw: NDArray[np.float64]
    """Radians, rotation of the signer relative to the camera."""
    frame_rate: NDArray[np.float64]
    """Frames a second."""


def draw_signers(
    num_signers: int, *, num_sessions: int, seed: int, width: int, height: int
) -> tuple[Signers, Cameras]:
    """Draw the traits of `num_signers` signers and the camera of each of their `num_sessions` sessions."""
    generators = [generator_for(Draw.SIGNER, index, seed=seed) for index in range(num_signers)]
    traits = [_traits(generator) for generator in generators]
    cameras = [_cameras(generator, num_sessions, width, height) for generator in generators]
    left_handed = np.arange(num_signers) % _LEFT_HANDED_EVERY == _LEFT_HANDED_EVERY - 1
    return (
        Signers(left_handed=left_handed, **{name: np.array([t[name] for t in traits]) for name in traits[0]}),
        Cameras(**{name: np.array([c[name] for c in cameras]) for name in cameras[0]}),
    )


def _traits(generator: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    def between(low: float, high: float) -> NDArray[np.float64]:
        return np.asarray(generator.uniform(low, high))

    return {
        "head_height": between(0.58, 0.78),
        "upper_arm": between(0.74, 0.90),
        "forearm": between(0.66, 0.80),
        "hand_size": between(0.42, 0.58),
        "slowness": between(0.75, 1.35),
        "amplitude": between(0.70, 1.35),
        "reach": between(0.88, 1.12),
        "location_habit": generator.normal(0, (0.07, 0.09, 0.05)),
        "turn_habit": np.deg2rad(generator.normal(0, (12, 8, 10))),
        "laxness": between(0.0, 0.25),
        "rest_location": np.array([-0.40, 1.25, -0.25]) + generator.normal(0, (0.12, 0.12, 0.05)),
    }


def _cameras(
    generator: np.random.Generator, num_sessions: int, width: int, height: int
) -> dict[str, NDArray[np.float64]]:
    """Draw a signer's cameras; they differ little between sessions."""
    scale, roll, yaw = generator.uniform((0.19, -3, -14), (0.29, 3, 14))
    place = generator.uniform((0.40, 0.34), (0.60, 0.48))
    frame_rate = generator.choice(_FRAME_RATES)
    shift = generator.normal(size=(num_sessions, 5))
    return {
        "scale": height * scale * np.exp(0.05 * shift[:, 0]),
        "centre": (place + (0.025, 0.02) * shift[:, 1:3]) * (width, height),
        "roll": np.deg2rad(roll + 1.0 * shift[:, 3]),
        "yaw": np.deg2rad(yaw + 4.0 * shift[:, 4]),
        "frame_rate": np.full(num_sessions, frame_rate),
    }
