"""A lexicon of synthetic signs as arrays, for batch processing of takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.pose.synthetic.signs import (
    BOTH_HANDS,
    DIRECTIONS,
    HANDS,
    HANDSHAPES,
    LOCATIONS,
    ORIENTATIONS,
    PASSIVE,
    PATHS,
    Sign,
)

_REPEAT_SECONDS = 0.7
"""Factor on the duration of each repetition: repeated movements are faster."""
_APART = -0.22
"""Maximum x of each hand in two-handed signs, so that the hands do not overlap."""
_GROUND = np.array([0.05, 0.22, 0.0])
"""Offset of a passive hand from the dominant hand."""
_GROUND_HIGHEST = 0.40
_GROUND_SHAPE = "flat"
_GROUND_ORIENTATION = "across-palm-up"


@dataclass(frozen=True)
class SignTable:
    """N signs as arrays; axis H is the dominant hand, then the other, both as right hands."""

    angles: NDArray[np.float64]
    """(N, H, start or end, 5, 4) radians."""
    turns: NDArray[np.float64]
    """(N, H, start or end, 3) radians."""
    location: NDArray[np.float64]
    """(N, H, 3) shoulder widths."""
    direction: NDArray[np.float64]
    """(N, 3) unit vectors."""
    normal: NDArray[np.float64]
    """(N, 3) unit vectors across the direction, in the plane of the movement."""
    width: NDArray[np.float64]
    """(N, H) shoulder widths; 0 if the hand does not move."""
    path: NDArray[np.int64]
    """(N,) position in `PATHS`."""
    repeats: NDArray[np.int64]
    """(N,) number of repetitions."""
    hands: NDArray[np.int64]
    """(N,) position in `HANDS`."""
    seconds: NDArray[np.float64]
    """(N,) duration of the movement."""


def sign_table(lexicon: tuple[Sign, ...]) -> SignTable:
    """Convert a lexicon to a table."""
    hands = np.array([HANDS.index(sign.hands) for sign in lexicon])
    repeats = np.array([sign.repeats for sign in lexicon])
    direction = np.array([DIRECTIONS[sign.direction] for sign in lexicon], dtype=np.float64)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    across = np.cross(direction, (0.0, 0.0, 1.0))
    seconds, width = np.array([PATHS[sign.path] for sign in lexicon]).T
    return SignTable(
        angles=_angles(lexicon, hands),
        turns=_turns(lexicon, hands),
        location=_locations(lexicon, hands),
        direction=direction,
        normal=across / np.linalg.norm(across, axis=-1, keepdims=True),
        width=width[:, None] * np.stack((np.ones(len(hands)), hands != PASSIVE), axis=1),
        path=np.array([list(PATHS).index(sign.path) for sign in lexicon]),
        repeats=repeats,
        hands=hands,
        seconds=seconds * np.where(repeats > 1, _REPEAT_SECONDS * repeats, 1.0),
    )


def _angles(lexicon: tuple[Sign, ...], hands: NDArray[np.int64]) -> NDArray[np.float64]:
    shapes = np.array([(HANDSHAPES[sign.start_shape], HANDSHAPES[sign.end_shape]) for sign in lexicon])
    both = np.stack((shapes, shapes), axis=1)
    both[hands == PASSIVE, 1] = HANDSHAPES[_GROUND_SHAPE]
    return both


def _turns(lexicon: tuple[Sign, ...], hands: NDArray[np.int64]) -> NDArray[np.float64]:
    turns = np.array(
        [(ORIENTATIONS[sign.start_orientation], ORIENTATIONS[sign.end_orientation]) for sign in lexicon]
    )
    both = np.stack((turns, turns), axis=1).astype(np.float64)
    both[hands == PASSIVE, 1] = ORIENTATIONS[_GROUND_ORIENTATION]
    return np.deg2rad(both)


def _locations(lexicon: tuple[Sign, ...], hands: NDArray[np.int64]) -> NDArray[np.float64]:
    dominant = np.array([LOCATIONS[sign.location] for sign in lexicon])
    two_handed = (hands >= BOTH_HANDS) & (hands != PASSIVE)
    dominant[two_handed, 0] = np.minimum(dominant[two_handed, 0], _APART)
    other = dominant.copy()
    passive = hands == PASSIVE
    ground = dominant[passive] + _GROUND
    ground[:, 0] *= -1
    ground[:, 1] = np.maximum(ground[:, 1], _GROUND_HIGHEST)
    other[passive] = ground
    return np.stack((dominant, other), axis=1)
