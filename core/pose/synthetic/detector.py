"""Simulated pose detector: camera projection, noise, confidences and lost hands."""

import numpy as np
from numpy.typing import NDArray

from core.pose.synthetic.body import (
    FACE_POINTS,
    LEFT_HAND_POINTS,
    LOWER_BODY,
    NUM_POINTS,
    RIGHT_HAND_POINTS,
)
from core.pose.synthetic.draws import Draw, generator_for
from core.pose.synthetic.signers import Cameras, Signers
from core.pose.synthetic.takes import Takes

Floats = NDArray[np.float64]

_PERSPECTIVE = 0.10
"""Relative increase in size per shoulder width nearer to the camera."""
_HAND_CONFIDENCE = 0.84
_CONFIDENCE_PER_JOINT = 0.012
"""Decrease of confidence per joint, from knuckle to finger tip."""
_CONFIDENCE_NOISE = 0.05
_BLUR = 0.9
"""Decrease of confidence per speed in shoulder widths per frame."""
_MOST_BLUR = 0.22
_OUTSIDE_CONFIDENCE = 0.25
_LOST_CONFIDENCE = 0.08
_NOISE = 0.013
"""Standard deviation of a confident point, in shoulder widths."""
_LOST_NOISE = 0.25


def project(joints: Floats, takes: Takes, cameras: Cameras) -> Floats:
    """Project points (F, 133, 3) with the camera of each take's session: pixels (F, 133, 2)."""
    take, _ = takes.concatenated_frames()
    session = takes.schedule.signer[take], takes.schedule.session[take]
    yaw, roll = cameras.yaw[session][:, None], cameras.roll[session][:, None]
    across = joints[..., 0] * np.cos(yaw) + joints[..., 2] * np.sin(yaw)
    depth = joints[..., 2] * np.cos(yaw) - joints[..., 0] * np.sin(yaw)
    scale = cameras.scale[session][:, None] / (1 + _PERSPECTIVE * depth)
    x = scale * (across * np.cos(roll) - joints[..., 1] * np.sin(roll))
    y = scale * (joints[..., 1] * np.cos(roll) + across * np.sin(roll))
    return np.stack((x, y), axis=-1) + cameras.centre[session][:, None]


def detect(
    pixels: Floats, takes: Takes, *, signers: Signers, cameras: Cameras, seed: int, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Return simulated detector output for the true points: (F, 133, 3) pixels and confidence.

    A point outside the image of `size` (width, height) is moved to its edge, with low confidence. In a span
    where a hand is lost, its points are scattered near their true positions, with almost no confidence.
    """
    take, time = takes.concatenated_frames()
    noise = _noise(takes, seed)
    scale = cameras.scale[takes.schedule.signer[take], takes.schedule.session[take]]
    confidence = _confidence(pixels, takes, take, time, signers, scale) + _CONFIDENCE_NOISE * noise[..., 2]
    unsure = 1 + 3 * np.clip(0.9 - confidence, 0, 1)
    sigma = (_NOISE * scale)[:, None] * unsure
    for points, hand_lost in _lost(takes, take, time, signers):
        confidence[hand_lost, points] = _LOST_CONFIDENCE * np.abs(np.tanh(noise[hand_lost, points, 2]))
        sigma[hand_lost, points] = _LOST_NOISE * scale[hand_lost][:, None]
    seen = np.clip(pixels + sigma[..., None] * noise[..., :2], 0, (size[0] - 1, size[1] - 1))
    outside = ((pixels < 0) | (pixels > (size[0] - 1, size[1] - 1))).any(-1)
    confidence = np.where(outside, np.minimum(confidence, _OUTSIDE_CONFIDENCE), confidence)
    return np.concatenate((seen, np.clip(confidence, 0.005, 0.99)[..., None]), axis=-1).astype(np.float32)


def _noise(takes: Takes, seed: int) -> NDArray[np.float32]:
    """Return standard normal numbers (F, 133, 3), with a separate generator for each take."""
    noise = [
        generator_for(Draw.NOISE, index, seed=seed).standard_normal((frames, NUM_POINTS, 3), np.float32)
        for index, frames in zip(takes.schedule.index, takes.num_frames, strict=True)
    ]
    return np.concatenate(noise)


def _confidence(
    pixels: Floats,
    takes: Takes,
    take: NDArray[np.int64],
    time: Floats,
    signers: Signers,
    scale: Floats,
) -> Floats:
    confidence = np.broadcast_to(_TYPICAL_CONFIDENCE, pixels.shape[:2]).copy()
    steps = np.diff(pixels, axis=0, prepend=pixels[:1])
    speed = np.sqrt((steps * steps).sum(-1)) / scale[:, None]
    speed[time == 0] = 0
    confidence -= np.minimum(_BLUR * speed, _MOST_BLUR)
    for points, which in _hands(takes, take, signers):
        confidence[:, points] += takes.confidence_offset[take, which][:, None]
    return confidence


def _lost(
    takes: Takes, take: NDArray[np.int64], time: Floats, signers: Signers
) -> list[tuple[slice, NDArray[np.bool_]]]:
    """Return, for each hand's points, the frames (F,) in which the detector loses the hand."""
    lost: list[tuple[slice, NDArray[np.bool_]]] = []
    for points, which in _hands(takes, take, signers):
        since, until = takes.lost_from[take, which], takes.lost_until[take, which]
        within: NDArray[np.bool_] = (time[:, None] >= since) & (time[:, None] < until)
        lost.append((points, within[:, 0] | within[:, 1]))
    return lost


def _hands(takes: Takes, take: NDArray[np.int64], signers: Signers) -> list[tuple[slice, NDArray[np.int64]]]:
    """Return each hand's points, and per frame (F,) whether it is the dominant (0) or the other (1) hand."""
    left_handed = signers.left_handed[takes.schedule.signer[take]].astype(np.int64)
    return [(RIGHT_HAND_POINTS, left_handed), (LEFT_HAND_POINTS, 1 - left_handed)]


def _typical_confidence() -> Floats:
    confidence = np.full(NUM_POINTS, 0.9)
    confidence[list(LOWER_BODY)] = 0.2
    confidence[11:13] = 0.6
    confidence[FACE_POINTS] = 0.85
    hand = _HAND_CONFIDENCE - _CONFIDENCE_PER_JOINT * np.array([0, *([1, 2, 3, 4] * 5)])
    confidence[LEFT_HAND_POINTS] = confidence[RIGHT_HAND_POINTS] = hand
    return confidence


_TYPICAL_CONFIDENCE = _typical_confidence()
