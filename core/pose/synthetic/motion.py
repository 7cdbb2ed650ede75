"""Synthetic hand motion: location, rotation and finger angles of both hands in each frame.

Both hands are described as right hands; `core.pose.synthetic.body` mirrors the left one. Axis H is the
dominant hand, then the other. Axis F is the concatenated frames of all takes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.pose.synthetic.hand import handshape
from core.pose.synthetic.sign_table import SignTable
from core.pose.synthetic.signers import Signers
from core.pose.synthetic.signs import ALTERNATING, ONE_HAND, PATHS
from core.pose.synthetic.takes import Takes

Floats = NDArray[np.float64]

_RELAXED = handshape("along", ("curved",) * 4)
_REST_TURNS = np.deg2rad([120.0, 20.0, 140.0])
_CHEST = np.array([0.0, 0.4, -0.3])
"""Origin of a signer's reach."""
_WANDER = 0.02
_WANDER_FRAMES = 23.0
_LAG_FRAMES = np.array([0.0, 1.5])
"""Delay of the dominant and of the other hand."""
_LAXEST = 0.4


@dataclass(frozen=True)
class HandMotion:
    """Motion of the hands, frame by frame."""

    location: Floats
    """(F, H, 3) in shoulder widths from the middle of the shoulders; -x is the hand's own side."""
    turns: Floats
    """(F, H, 3) radians."""
    angles: Floats
    """(F, H, 5, 4) radians."""


def hand_motion(takes: Takes, *, signs: SignTable, signers: Signers) -> HandMotion:
    """Return the motion of the hands in each frame: rest, raising, stroke, lowering, rest."""
    take, time = takes.concatenated_frames()
    sign, signer = takes.schedule.sign[take], takes.schedule.signer[take]
    raised, stroke = _phases(takes, take, time)
    raised[:, 1] *= signs.hands[sign] != ONE_HAND
    progress = _progress(stroke, signs.repeats[sign], signs.hands[sign] == ALTERNATING)

    amplitude = (signers.amplitude[signer] * takes.amplitude[take])[:, None, None]
    location = _movement_centre(takes, signs, signers)[take] + amplitude * _displacement(
        signs, sign, progress, stroke
    )
    location = _blend(signers.rest_location[signer][:, None], location, raised)
    turns = _between(signs.turns[sign], progress) + signers.turn_habit[signer][:, None]
    angles = _between(signs.angles[sign], progress)
    return HandMotion(
        location=location + _wander(takes.wander_phase[take, :2], time),
        turns=_blend(_REST_TURNS, turns, raised) + takes.turn_offset[take],
        angles=_blend(_RELAXED, angles, raised * _firmness(takes, signers)[take]),
    )


def _phases(takes: Takes, take: NDArray[np.int64], time: Floats) -> tuple[Floats, Floats]:
    """Return how far each hand is raised (F, H), and the progress of its stroke (F, H), both 0 to 1."""
    rest, raising, stroke, lowering = (takes.boundaries[take, phase, None] for phase in range(4))
    late = time[:, None] - _LAG_FRAMES
    raised = _smooth((late - rest) / (raising - rest)) * (1 - _smooth((late - stroke) / (lowering - stroke)))
    over = np.clip((late - raising) / (stroke - raising), 0, 1)
    return raised, over ** takes.warp[take, None]


def _progress(stroke: Floats, repeats: NDArray[np.int64], alternating: NDArray[np.bool_]) -> Floats:
    """Return the hands' position from the sign's start (0) to its end (1); back and forth if repeated."""
    to_and_fro = 0.5 - 0.5 * np.cos(2 * np.pi * repeats[:, None] * stroke)
    progress = np.where(repeats[:, None] == 1, _smooth(stroke), to_and_fro)
    progress[alternating, 1] = 1 - progress[alternating, 1]
    return progress


def _movement_centre(takes: Takes, signs: SignTable, signers: Signers) -> Floats:
    """Return the centre of each take's movement (B, H, 3)."""
    sign, signer = takes.schedule.sign, takes.schedule.signer
    reached = signers.reach[signer][:, None, None] * (signs.location[sign] - _CHEST)
    return _CHEST + reached + signers.location_habit[signer][:, None] + takes.location_offset


def _displacement(signs: SignTable, sign: NDArray[np.int64], progress: Floats, stroke: Floats) -> Floats:
    """Return the hands' displacement (F, H, 3) from the centre of their movement."""
    half_turn_ahead = (signs.hands[sign] == ALTERNATING)[:, None] * np.array([0.0, np.pi])
    turn = 2 * np.pi * signs.repeats[sign][:, None] * stroke + half_turn_ahead
    line, none = progress - 0.5, np.zeros_like(progress)
    along = {"straight": line, "arc": line, "circle": 0.5 * np.cos(turn), "zigzag": line}
    aside = {
        "arc": 0.7 * np.sin(np.pi * progress) - 0.35,
        "circle": 0.5 * np.sin(turn),
        "zigzag": 0.3 * np.sin(6 * np.pi * progress),
    }
    path, width = signs.path[sign][:, None], signs.width[sign]
    forth = width * np.choose(path, [along.get(name, none) for name in PATHS])
    across = width * np.choose(path, [aside.get(name, none) for name in PATHS])
    direction, normal = signs.direction[sign][:, None], signs.normal[sign][:, None]
    return forth[..., None] * direction + across[..., None] * normal


def _wander(phase: Floats, time: Floats) -> Floats:
    return _WANDER * np.sin(phase + (2 * np.pi / _WANDER_FRAMES) * time[:, None, None])


def _firmness(takes: Takes, signers: Signers) -> Floats:
    return 1 - np.clip(signers.laxness[takes.schedule.signer] + takes.laxness, 0, _LAXEST)[:, None]


def _between(start_and_end: Floats, progress: Floats) -> Floats:
    """Blend (F, H, start or end, ...) by `progress` (F, H)."""
    return _blend(start_and_end[:, :, 0], start_and_end[:, :, 1], progress)


def _blend(start: Floats, end: Floats, share: Floats) -> Floats:
    return start + share.reshape(share.shape + (1,) * (end.ndim - share.ndim)) * (end - start)


def _smooth(share: Floats) -> Floats:
    """Smoothstep: ease in and out."""
    inside = np.clip(share, 0, 1)
    return inside * inside * (3 - 2 * inside)
