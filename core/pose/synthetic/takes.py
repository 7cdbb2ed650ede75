"""Takes: random variation between recordings of the same sign by the same signer.

All draws of take i come from generators seeded by (seed, i), so each take can be generated independently.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.pose.synthetic.draws import Draw, generator_for
from core.pose.synthetic.sign_table import SignTable
from core.pose.synthetic.signers import Cameras, Signers

MIN_FRAMES = 30
MAX_FRAMES = 80

_NUM_UNIFORM = 40
_NUM_NORMAL = 20
_NUM_ACCENT = 7
_SPAN_ODDS = (0.35, 0.12)
"""Probabilities of a first and of a second span in which the detector loses a hand."""
_SPAN_FRAMES = (2, 9)


@dataclass(frozen=True)
class Schedule:
    """Sign, signer and session of B takes, as arrays."""

    index: NDArray[np.int64]
    sign: NDArray[np.int64]
    signer: NDArray[np.int64]
    session: NDArray[np.int64]
    """Session of this signer, from 0 to sessions per signer - 1."""


@dataclass(frozen=True)
class Takes:
    """Properties of B takes, as arrays; axis H is the dominant hand, then the other."""

    schedule: Schedule
    boundaries: NDArray[np.float64]
    """(B, 5) end frames of rest, raising, stroke, lowering and rest."""
    num_frames: NDArray[np.int64]
    """(B,) from 30 to 80."""
    warp: NDArray[np.float64]
    """(B,) exponent of the time warp of the stroke."""
    amplitude: NDArray[np.float64]
    """(B,) factor on the width of the movement."""
    location_offset: NDArray[np.float64]
    """(B, H, 3) shoulder widths."""
    turn_offset: NDArray[np.float64]
    """(B, H, 3) radians."""
    laxness: NDArray[np.float64]
    """(B,) added to the signer's."""
    wander_phase: NDArray[np.float64]
    """(B, H + 1, 3) radians, phases of the slow drift of both hands and of the body."""
    confidence_offset: NDArray[np.float64]
    """(B, H) added to a hand's confidence in the whole take."""
    lost_from: NDArray[np.float64]
    """(B, H, 2) first frames of the spans in which the detector loses a hand."""
    lost_until: NDArray[np.float64]
    """(B, H, 2) end frames (excluded) of these spans; equal to `lost_from` if there is no span."""

    def concatenated_frames(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the take index and the time of each frame, for the concatenated frames of all takes."""
        take = np.repeat(np.arange(len(self.num_frames)), self.num_frames)
        starts = np.cumsum(self.num_frames) - self.num_frames
        return take, (np.arange(len(take)) - starts[take]).astype(np.float64)


def draw_takes(
    schedule: Schedule, *, signs: SignTable, signers: Signers, cameras: Cameras, seed: int
) -> Takes:
    """Draw all random properties of the takes in `schedule`, except the detector's noise."""
    uniform, normal, accent = _draws(schedule, seed)
    boundaries = _boundaries(schedule, uniform[:, :6], signs, signers, cameras)
    num_frames = np.rint(boundaries[:, -1]).astype(np.int64)
    lost_from, lost_until = _lost_spans(uniform[:, 16:28].reshape(-1, 2, 2, 3), num_frames)
    own = normal[:, :12].reshape(-1, 2, 2, 3)
    return Takes(
        schedule=schedule,
        boundaries=boundaries,
        num_frames=num_frames,
        warp=np.exp(0.15 * normal[:, 12]),
        amplitude=np.exp(0.10 * normal[:, 13] + 0.12 * accent[:, 6]),
        location_offset=0.05 * own[:, 0] + 0.07 * accent[:, None, :3],
        turn_offset=np.deg2rad(7 * own[:, 1] + 9 * accent[:, None, 3:6]),
        laxness=0.06 * normal[:, 14],
        wander_phase=2 * np.pi * uniform[:, 6:15].reshape(-1, 3, 3),
        confidence_offset=0.03 * normal[:, 15:17],
        lost_from=lost_from,
        lost_until=lost_until,
    )


def _draws(
    schedule: Schedule, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return each take's uniform and normal numbers, and those shared by all takes of a sign by a signer."""
    uniform = np.empty((len(schedule.index), _NUM_UNIFORM))
    normal = np.empty((len(schedule.index), _NUM_NORMAL))
    accent = np.empty((len(schedule.index), _NUM_ACCENT))
    for row, (index, sign, signer) in enumerate(
        zip(schedule.index, schedule.sign, schedule.signer, strict=True)
    ):
        generator = generator_for(Draw.TAKE, index, seed=seed)
        uniform[row] = generator.random(_NUM_UNIFORM)
        normal[row] = generator.standard_normal(_NUM_NORMAL)
        accent[row] = generator_for(Draw.ACCENT, signer, sign, seed=seed).standard_normal(_NUM_ACCENT)
    return uniform, normal, accent


def _boundaries(
    schedule: Schedule, uniform: NDArray[np.float64], signs: SignTable, signers: Signers, cameras: Cameras
) -> NDArray[np.float64]:
    """Return the end of each phase in frames; takes that are too short or long are scaled to the limits."""
    stroke = signs.seconds[schedule.sign] * (0.8 + 0.4 * uniform[:, 5])
    low, high = np.array([(0.05, 0.22, 0, 0.20, 0.05), (0.35, 0.40, 0, 0.40, 0.45)])
    seconds = low + (high - low) * uniform[:, :5]
    seconds[:, 2] = stroke
    seconds[:, 1:4] *= signers.slowness[schedule.signer][:, None]
    ends = np.cumsum(seconds, axis=1) * cameras.frame_rate[schedule.signer, schedule.session][:, None]
    return ends * np.clip(1.0, MIN_FRAMES / ends[:, -1], MAX_FRAMES / ends[:, -1])[:, None]


def _lost_spans(
    uniform: NDArray[np.float64], num_frames: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    happens = uniform[..., 0] < _SPAN_ODDS
    first = np.floor(uniform[..., 1] * num_frames[:, None, None])
    low, high = _SPAN_FRAMES
    return first, first + happens * np.floor(low + (high - low) * uniform[..., 2])
