"""Takes: what is different each time the same signer makes the same sign.

Every draw of take i comes from generators seeded by (seed, i), so any take can be made without the others.
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
"""Odds that a hand is lost once, and once more."""
_SPAN_FRAMES = (2, 9)


@dataclass(frozen=True)
class Roll:
    """Who makes what: columns over B takes."""

    index: NDArray[np.int64]
    sign: NDArray[np.int64]
    signer: NDArray[np.int64]
    session: NDArray[np.int64]
    """Of this signer: 0 .. sessions per signer - 1."""


@dataclass(frozen=True)
class Takes:
    """Columns over B takes; axis H is the dominant hand, then the other."""

    roll: Roll
    boundaries: NDArray[np.float64]
    """(B, 5) frames at which rest, raising, stroke, lowering and rest end."""
    num_frames: NDArray[np.int64]
    """(B,) from 30 to 80."""
    warp: NDArray[np.float64]
    """(B,) power that bends the time of the stroke."""
    amplitude: NDArray[np.float64]
    """(B,) factor on the width of the movement."""
    location_offset: NDArray[np.float64]
    """(B, H, 3) shoulder widths."""
    turn_offset: NDArray[np.float64]
    """(B, H, 3) radians."""
    laxness: NDArray[np.float64]
    """(B,) added to the signer's."""
    wander_phase: NDArray[np.float64]
    """(B, H + 1, 3) radians, of the slow wander of both hands and of the body."""
    confidence_offset: NDArray[np.float64]
    """(B, H) a hand that the detector sees well or badly throughout."""
    lost_from: NDArray[np.float64]
    """(B, H, 2) first frames of the spans in which the detector loses a hand."""
    lost_until: NDArray[np.float64]
    """(B, H, 2) the frames after them; equal to `lost_from` for no span."""

    def concatenated_frames(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return, for every frame of all takes one after the other, its take's position and its time."""
        take = np.repeat(np.arange(len(self.num_frames)), self.num_frames)
        starts = np.cumsum(self.num_frames) - self.num_frames
        return take, (np.arange(len(take)) - starts[take]).astype(np.float64)


def draw_takes(roll: Roll, *, signs: SignTable, signers: Signers, cameras: Cameras, seed: int) -> Takes:
    """Draw everything about the takes of `roll` but the detector's noise."""
    uniform, normal, accent = _draws(roll, seed)
    boundaries = _boundaries(roll, uniform[:, :6], signs, signers, cameras)
    num_frames = np.rint(boundaries[:, -1]).astype(np.int64)
    lost_from, lost_until = _lost_spans(uniform[:, 16:28].reshape(-1, 2, 2, 3), num_frames)
    own = normal[:, :12].reshape(-1, 2, 2, 3)
    return Takes(
        roll=roll,
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


def _draws(roll: Roll, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the takes' uniform and normal numbers, and those that a signer's takes of a sign share."""
    uniform = np.empty((len(roll.index), _NUM_UNIFORM))
    normal = np.empty((len(roll.index), _NUM_NORMAL))
    accent = np.empty((len(roll.index), _NUM_ACCENT))
    for row, (index, sign, signer) in enumerate(zip(roll.index, roll.sign, roll.signer, strict=True)):
        generator = generator_for(Draw.TAKE, index, seed=seed)
        uniform[row] = generator.random(_NUM_UNIFORM)
        normal[row] = generator.standard_normal(_NUM_NORMAL)
        accent[row] = generator_for(Draw.ACCENT, signer, sign, seed=seed).standard_normal(_NUM_ACCENT)
    return uniform, normal, accent


def _boundaries(
    roll: Roll, uniform: NDArray[np.float64], signs: SignTable, signers: Signers, cameras: Cameras
) -> NDArray[np.float64]:
    """Return when each phase ends, in frames, all stretched alike where a take would be too short or long."""
    stroke = signs.seconds[roll.sign] * (0.8 + 0.4 * uniform[:, 5])
    low, high = np.array([(0.05, 0.22, 0, 0.20, 0.05), (0.35, 0.40, 0, 0.40, 0.45)])
    seconds = low + (high - low) * uniform[:, :5]
    seconds[:, 2] = stroke
    seconds[:, 1:4] *= signers.slowness[roll.signer][:, None]
    ends = np.cumsum(seconds, axis=1) * cameras.frame_rate[roll.signer, roll.session][:, None]
    return ends * np.clip(1.0, MIN_FRAMES / ends[:, -1], MAX_FRAMES / ends[:, -1])[:, None]


def _lost_spans(
    uniform: NDArray[np.float64], num_frames: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    happens = uniform[..., 0] < _SPAN_ODDS
    first = np.floor(uniform[..., 1] * num_frames[:, None, None])
    low, high = _SPAN_FRAMES
    return first, first + happens * np.floor(low + (high - low) * uniform[..., 2])
