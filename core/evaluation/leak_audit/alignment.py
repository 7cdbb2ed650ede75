"""How far apart two clips lie when one is laid over the other: 0 where they are one recording.

Each part is centred on its mean and divided by its spread, so where it lies and how large it is make no
difference. A point at (0, 0) was not detected and is compared with nothing.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from core.pose.skeleton import LEFT_HAND, MIRRORED_PARTS, RIGHT_HAND, TRUNK

_PARTS = (RIGHT_HAND, LEFT_HAND, TRUNK)
_MIRRORED = np.r_[MIRRORED_PARTS]
_LEAST_OVERLAP = 0.6
"""Share of the longer clip's frames that the other must reach."""
_LEAST_SHARED = 0.5
"""Share of the points that either clip has which both must have."""
_FASTEST = 2.0
"""Lengths that differ by more are not two frame rates of one recording."""
_RESAMPLED_FRAMES = 32
_FLAT = 1e-4
"""A part that spreads less, in its own coordinates, is a point and has no size to divide by."""


class Sight(NamedTuple):
    """Points of a clip, and which of them were detected."""

    points: Float32[np.ndarray, "T 49 2"]
    known: Bool[np.ndarray, "T 49"]


def sight_of(points: Float32[np.ndarray, "T 49 2"]) -> Sight:
    """A clip's points with which of them were detected."""
    return Sight(points, (points != 0).any(axis=-1))


def mirrored(sight: Sight) -> Sight:
    """The same seen in a mirror, but for where the trunk lies.

    Both hands are stored as right hands, so they only change places; so do the arms, and the trunk is turned
    about x = 0.
    """
    points = sight.points[:, _MIRRORED]
    points[:, TRUNK, 0] *= -1
    return Sight(points, sight.known[:, _MIRRORED])


def distance_at(one: Sight, other: Sight, *, lag: int) -> float:
    """Root mean square distance of the points both clips have, in spreads of their part.

    Frame t + `lag` of `one` is laid over frame t of `other`. Infinite where too little is shared.
    """
    ours, theirs = one.points[max(lag, 0) :], other.points[max(-lag, 0) :]
    shared = min(len(ours), len(theirs))
    if shared < _LEAST_OVERLAP * max(len(one.points), len(other.points)):
        return float("inf")
    ours_known, theirs_known = one.known[max(lag, 0) :], other.known[max(-lag, 0) :]
    return _apart(Sight(ours[:shared], ours_known[:shared]), Sight(theirs[:shared], theirs_known[:shared]))


def distance_resampled(one: Sight, other: Sight) -> float:
    """The same with both stretched over 32 moments, for copies at another frame rate."""
    shorter, longer = sorted((len(one.points), len(other.points)))
    if longer > _FASTEST * shorter:
        return float("inf")
    return _apart(_resampled(one), _resampled(other))


def standardised(
    points: Float32[np.ndarray, "N 49 2"], known: Bool[np.ndarray, "N 49"]
) -> Float32[np.ndarray, "N 49 2"]:
    """Single frames, each part of each centred on its mean and divided by its spread; 0 where unknown."""
    pieces = [_centred(points[:, None, part], known[:, None, part])[:, 0] for part in _PARTS]
    return np.concatenate(pieces, axis=1)


def _apart(one: Sight, other: Sight) -> float:
    both, either = one.known & other.known, one.known | other.known
    if not both.any() or both.sum() < _LEAST_SHARED * either.sum():
        return float("inf")
    squares = 0.0
    for part in _PARTS:
        ours, theirs = (_centred(sight.points[None, :, part], both[None, :, part]) for sight in (one, other))
        squares += float(np.square(ours - theirs).sum())
    return float(np.sqrt(squares / both.sum()))


def _centred(
    points: Float32[np.ndarray, "N T J 2"], known: Bool[np.ndarray, "N T J"]
) -> Float32[np.ndarray, "N T J 2"]:
    weights = known[..., None].astype(np.float32)
    count = np.maximum(weights.sum(axis=(1, 2), keepdims=True), 1)
    centred = (points - (points * weights).sum(axis=(1, 2), keepdims=True) / count) * weights
    spread = np.sqrt(np.square(centred).sum(axis=(1, 2, 3), keepdims=True) / count)
    return centred / np.maximum(spread, _FLAT)


def _resampled(sight: Sight) -> Sight:
    last = len(sight.points) - 1
    moments = np.linspace(0, last, _RESAMPLED_FRAMES)
    before = np.floor(moments).astype(np.int64)
    after = np.minimum(before + 1, last)
    share = (moments - before).astype(np.float32)[:, None, None]
    points = sight.points[before] * (1 - share) + sight.points[after] * share
    return Sight(points, sight.known[before] & sight.known[after])
