"""Lexicon of synthetic signs, built from handshape, location, movement and orientation.

These are the classic parameters of sign phonology (Stokoe 1960; orientation after Battison 1978). Many signs
are *minimal pairs*: another sign with one parameter changed. So no single parameter identifies every sign.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.pose.synthetic.draws import Draw, generator_for
from core.pose.synthetic.hand import Digit, Thumb, handshape

_ALL: Mapping[str, tuple[Digit, ...]] = {
    "straight": ("straight",) * 4,
    "closed": ("closed",) * 4,
    "curved": ("curved",) * 4,
    "claw": ("claw",) * 4,
    "bent": ("bent",) * 4,
    "round": ("round",) * 4,
}


def _shape(thumb: Thumb, *digits: Digit, apart: bool = False) -> NDArray[np.float64]:
    return handshape(thumb, digits if len(digits) > 1 else _ALL[digits[0]], apart=apart)


HANDSHAPES: Mapping[str, NDArray[np.float64]] = {
    "flat": _shape("along", "straight"),
    "five": _shape("out", "straight", apart=True),
    "fist": _shape("across", "closed"),
    "index": _shape("across", "straight", "closed", "closed", "closed"),
    "vee": _shape("across", "straight", "straight", "closed", "closed", apart=True),
    "three": _shape("across", "straight", "straight", "straight", "closed", apart=True),
    "little": _shape("across", "closed", "closed", "closed", "straight"),
    "horns": _shape("out", "straight", "closed", "closed", "straight"),
    "phone": _shape("out", "closed", "closed", "closed", "straight", apart=True),
    "ell": _shape("out", "straight", "closed", "closed", "closed"),
    "cup": _shape("opposed", "curved"),
    "ring": _shape("opposed", "round"),
    "pinch": _shape("opposed", "round", "straight", "straight", "straight", apart=True),
    "claw": _shape("out", "claw", apart=True),
    "bent": _shape("along", "bent"),
    "thumb": _shape("out", "closed"),
}
"""Finger angles (5, 4) of each handshape."""

LOCATIONS: Mapping[str, tuple[float, float, float]] = {
    "forehead": (-0.15, -0.95, -0.30),
    "cheek": (-0.32, -0.60, -0.28),
    "chin": (-0.05, -0.38, -0.32),
    "shoulder": (-0.55, 0.08, -0.28),
    "far-shoulder": (0.38, 0.12, -0.32),
    "chest": (-0.10, 0.42, -0.35),
    "neutral": (-0.38, 0.70, -0.55),
    "side": (-0.88, 0.40, -0.45),
    "belly": (-0.10, 0.98, -0.38),
}
"""Location of the hand from the middle of the shoulders, in shoulder widths; -x is the hand's own side."""

PATHS: Mapping[str, tuple[float, float]] = {
    "hold": (0.65, 0.00),
    "straight": (0.70, 0.55),
    "arc": (0.80, 0.60),
    "circle": (0.95, 0.42),
    "zigzag": (1.15, 0.60),
}
"""Path of the hand by shape: duration of one repetition in seconds, and width in shoulder widths."""

_HALF = 0.5**0.5
DIRECTIONS: Mapping[str, tuple[float, float, float]] = {
    "across": (1, 0, 0),
    "outward": (-1, 0, 0),
    "up": (0, -1, 0),
    "down": (0, 1, 0),
    "ahead": (0, 0.3, -0.95),
    "up-across": (_HALF, -_HALF, 0),
    "down-outward": (-_HALF, _HALF, 0),
}
"""Direction of the path."""

ORIENTATIONS: Mapping[str, tuple[float, float, float]] = {
    "up-palm-out": (0, 0, 0),
    "up-palm-in": (180, 0, 0),
    "up-palm-across": (-90, 0, 0),
    "across-palm-in": (180, 0, 80),
    "across-palm-down": (-90, 0, 85),
    "across-palm-up": (90, 0, 85),
    "ahead-palm-down": (0, 65, 10),
    "ahead-palm-across": (-90, 65, 10),
    "slanted-palm-in": (180, 15, 45),
    "down-palm-in": (180, 0, 165),
}
"""Twist, tilt and roll of the hand in degrees; names state the directions of fingers and palm."""

HANDS = ("one", "both", "alternating", "passive")
"""One hand; both hands with the same movement, in phase or alternating; or a passive other hand as base."""
_HANDS_ODDS = (0.5, 0.2, 0.1, 0.2)
_REPEATS = (1, 2)
_REPEATS_ODDS = (0.6, 0.4)
_MINIMAL_PAIR_ODDS = 0.5
_SHAPE_CHANGE_ODDS = 0.25
_TURN_ODDS = 0.25


ONE_HAND, BOTH_HANDS, ALTERNATING, PASSIVE = range(len(HANDS))


@dataclass(frozen=True)
class Sign:
    """The parameters of one sign, as names of the tables above."""

    start_shape: str
    end_shape: str
    location: str
    path: str
    direction: str
    repeats: int
    start_orientation: str
    end_orientation: str
    hands: str


def draw_lexicon(num_signs: int, *, seed: int) -> tuple[Sign, ...]:
    """Draw `num_signs` different signs; the first k of them are the same for every `num_signs` >= k."""
    generator = generator_for(Draw.LEXICON, seed=seed)
    lexicon: list[Sign] = []
    known: set[Sign] = set()
    while len(lexicon) < num_signs:
        if lexicon and generator.random() < _MINIMAL_PAIR_ODDS:
            sign = _minimal_pair(lexicon[generator.integers(len(lexicon))], generator)
        else:
            sign = _fresh_sign(generator)
        if sign not in known:
            known.add(sign)
            lexicon.append(sign)
    return tuple(lexicon)


def _fresh_sign(generator: np.random.Generator) -> Sign:
    location = str(generator.choice(list(LOCATIONS)))
    hands = str(generator.choice(HANDS, p=_HANDS_ODDS))
    start_shape, end_shape = _shapes(generator)
    path, direction, repeats = _movement(generator)
    start, end = _orientations(generator)
    return _canonical(Sign(start_shape, end_shape, location, path, direction, repeats, start, end, hands))


def _minimal_pair(sign: Sign, generator: np.random.Generator) -> Sign:
    """Replace one parameter of `sign` by a random one."""
    match generator.integers(5):
        case 0:
            start_shape, end_shape = _shapes(generator)
            changed = replace(sign, start_shape=start_shape, end_shape=end_shape)
        case 1:
            changed = replace(sign, location=str(generator.choice(list(LOCATIONS))))
        case 2:
            path, direction, repeats = _movement(generator)
            changed = replace(sign, path=path, direction=direction, repeats=repeats)
        case 3:
            start, end = _orientations(generator)
            changed = replace(sign, start_orientation=start, end_orientation=end)
        case _:
            changed = replace(sign, hands=str(generator.choice(HANDS, p=_HANDS_ODDS)))
    return _canonical(changed)


def _canonical(sign: Sign) -> Sign:
    """Return the canonical form, so that signs that look the same are equal."""
    if sign.path == "zigzag":
        return replace(sign, repeats=1)
    if sign.path != "hold":
        return sign
    sign = replace(sign, direction="up")
    moves = sign.start_shape != sign.end_shape or sign.start_orientation != sign.end_orientation
    if moves:
        return sign
    return replace(sign, repeats=1, hands="both" if sign.hands == "alternating" else sign.hands)


def _shapes(generator: np.random.Generator) -> tuple[str, str]:
    return _start_and_end(list(HANDSHAPES), _SHAPE_CHANGE_ODDS, generator)


def _orientations(generator: np.random.Generator) -> tuple[str, str]:
    return _start_and_end(list(ORIENTATIONS), _TURN_ODDS, generator)


def _start_and_end(names: list[str], change_odds: float, generator: np.random.Generator) -> tuple[str, str]:
    start, other = (str(name) for name in generator.choice(names, 2, replace=False))
    return start, (other if generator.random() < change_odds else start)


def _movement(generator: np.random.Generator) -> tuple[str, str, int]:
    path = str(generator.choice(list(PATHS)))
    direction = str(generator.choice(list(DIRECTIONS)))
    return path, direction, int(generator.choice(_REPEATS, p=_REPEATS_ODDS))
