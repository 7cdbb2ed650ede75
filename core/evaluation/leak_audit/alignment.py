"""Distance between two clips after alignment in time, position and size; 0 for identical recordings.

Each body part is centred on its mean and divided by its spread, which removes position and size. A point at
(0, 0) was not detected and is ignored.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from core.pose.skeleton import LEFT_HAND, MIRRORED_PARTS, RIGHT_HAND, TRUNK

_PARTS = (RIGHT_HAND, LEFT_HAND, TRUNK)
_MIRRORED = np.r_[MIRRORED_PARTS]
_LEAST_OVERLAP = 0.6
"""Smallest overlap in time, as a fraction of the longer clip's frames."""
_LEAST_SHARED = 0.5
"""Smallest number of points detected in both clips, as a fraction of those detected in either."""
_FASTEST = 2.0
"""Largest ratio of lengths for two frame rates of one recording."""
_RESAMPLED_FRAMES = 32
_FLAT = 1e-4
"""Smallest spread to divide by, in the part's own coordinates."""


class MaskedPoints(NamedTuple):
    """Points of a clip, with a mask of detected points."""

    points: Float32[np.ndarray, "T 49 2"]
    known: Bool[np.ndarray, "T 49"]


def masked_points(points: Float32[np.ndarray, "T 49 2"]) -> MaskedPoints:
    """Return a clip's points with the mask of detected points."""
    return MaskedPoints(points, (points != 0).any(axis=-1))


def mirrored(masked: MaskedPoints) -> MaskedPoints:
    """Mirror a clip horizontally, up to the position of the trunk.

    Both hands are stored as right hands, so they are only swapped. The arms are swapped too, and the trunk is
    mirrored at x = 0.
    """
    points = masked.points[:, _MIRRORED]
    points[:, TRUNK, 0] *= -1
    return MaskedPoints(points, masked.known[:, _MIRRORED])


def distance_at(one: MaskedPoints, other: MaskedPoints, *, lag: int) -> float:
    """Return the root mean square distance of points detected in both clips, in spreads of their body part.

    Frame t + `lag` of `one` is compared with frame t of `other`. Infinite if the overlap is too small.
    """
    ours, theirs = one.points[max(lag, 0) :], other.points[max(-lag, 0) :]
    shared = min(len(ours), len(theirs))
    if shared < _LEAST_OVERLAP * max(len(one.points), len(other.points)):
        return float("inf")
    ours_known, theirs_known = one.known[max(lag, 0) :], other.known[max(-lag, 0) :]
    return _distance(
        MaskedPoints(ours[:shared], ours_known[:shared]), MaskedPoints(theirs[:shared], theirs_known[:shared])
    )


def distance_resampled(one: MaskedPoints, other: MaskedPoints) -> float:
    """Return the distance after resampling both clips to 32 frames, for copies at another frame rate."""
    shorter, longer = sorted((len(one.points), len(other.points)))
    if longer > _FASTEST * shorter:
        return float("inf")
    return _distance(_resampled(one), _resampled(other))


def standardised(
    points: Float32[np.ndarray, "N 49 2"], known: Bool[np.ndarray, "N 49"]
) -> Float32[np.ndarray, "N 49 2"]:
    """Standardise single frames: centre each body part on its mean, divide by its spread; 0 if undetected."""
    pieces = [_centred(points[:, None, part], known[:, None, part])[:, 0] for part in _PARTS]
    return np.concatenate(pieces, axis=1)


def _distance(one: MaskedPoints, other: MaskedPoints) -> float:
    both, either = one.known & other.known, one.known | other.known
    if not both.any() or both.sum() < _LEAST_SHARED * either.sum():
        return float("inf")
    squares = 0.0
    for part in _PARTS:
        ours, theirs = (_centred(clip.points[None, :, part], both[None, :, part]) for clip in (one, other))
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


def _resampled(masked: MaskedPoints) -> MaskedPoints:
    last = len(masked.points) - 1
    moments = np.linspace(0, last, _RESAMPLED_FRAMES)
    before = np.floor(moments).astype(np.int64)
    after = np.minimum(before + 1, last)
    share = (moments - before).astype(np.float32)[:, None, None]
    points = masked.points[before] * (1 - share) + masked.points[after] * share
    return MaskedPoints(points, masked.known[before] & masked.known[after])
