"""Where shoulders, wrists and hands are in each frame, for the checks.

All clips that are normalised together are measured together, so that a step costs one call for many clips.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from core.corpora.readers.checks.seen import MIN_CONFIDENCE
from core.pose.normalise import JoinedVideos, Video
from core.pose.skeleton import LEFT_ARM, LEFT_HAND, NOSE, RIGHT_ARM, RIGHT_HAND

_SHOULDER, _WRIST = 0, 2
"""Points of an arm."""
_WRISTS = [LEFT_ARM.start + _WRIST, RIGHT_ARM.start + _WRIST]
_HANDS = [LEFT_HAND.start, RIGHT_HAND.start]
_NOSE = NOSE.start

PerFrame = Float64[np.ndarray, " T"]
Frames = Bool[np.ndarray, " T"]


class Hands(NamedTuple):
    """The left and the right hand in each frame; distances are in pixels.

    `seen`: the hand's wrist and the wrists of both arms are. `confidence` is the sum over the hand's points,
    and `num_points` counts those that the clip has at all.
    """

    seen: Bool[np.ndarray, "2 T"]
    confidence: Float64[np.ndarray, "2 T"]
    num_points: Int64[np.ndarray, "2"]
    to_own: Float64[np.ndarray, "2 T"]
    to_other: Float64[np.ndarray, "2 T"]


class Body(NamedTuple):
    """A person in each frame; places and distances are in pixels.

    `shoulders`: both are seen. `across` leads from the right to the left one, `middle` is between them.
    `head` also requires the nose, `upright` that it is above both shoulders. `wrist_steps` of the left and
    the right arm are since the frame before, 0 if the wrist is not seen in both; the first says nothing.
    """

    joints: Float64[np.ndarray, "49 3 T"]
    shoulders: Frames
    across: Float64[np.ndarray, "2 T"]
    width: PerFrame
    middle: Float64[np.ndarray, "2 T"]
    head: Frames
    upright: Frames
    wrist_steps: Float64[np.ndarray, "2 T"]
    hands: Hands

    def believed(self) -> "Body":
        """Take every stored point of the arms as seen, whatever its confidence."""
        (body,) = _measured(self.joints, [slice(None)], believe_arms=True)
        return body


def bodies_of(videos: JoinedVideos) -> Iterator[Body]:
    """Measure the person of each video."""
    return _measured(videos.joints, videos.spans)


def body_of(video: Video) -> Body:
    """Measure the person of one video."""
    (body,) = bodies_of(JoinedVideos.of([video]))
    return body


def _measured(
    joints: Float64[np.ndarray, "49 3 n"], spans: list[slice], *, believe_arms: bool = False
) -> Iterator[Body]:
    seen = joints[:, 2] > MIN_CONFIDENCE
    if believe_arms:
        seen[LEFT_ARM.start : RIGHT_ARM.stop] = joints[LEFT_ARM.start : RIGHT_ARM.stop, :2].any(axis=1)
    left, right = joints[LEFT_ARM.start + _SHOULDER], joints[RIGHT_ARM.start + _SHOULDER]
    across = left[:2] - right[:2]
    width = np.hypot(across[0], across[1])
    middle = (left[:2] + right[:2]) / 2
    shoulders = seen[LEFT_ARM.start] & seen[RIGHT_ARM.start]
    head = shoulders & seen[_NOSE]
    upright = head & (joints[_NOSE, 1] < np.minimum(left[1], right[1]))
    steps = _steps(joints[_WRISTS, :2], seen[_WRISTS])
    hands = _hands(joints, seen, spans)
    for span, clip_hands in zip(spans, hands, strict=True):
        yield Body(
            joints[:, :, span],
            shoulders[span],
            across[:, span],
            width[span],
            middle[:, span],
            head[span],
            upright[span],
            steps[:, span],
            clip_hands,
        )


def _steps(places: Float64[np.ndarray, "2 2 n"], seen: Bool[np.ndarray, "2 n"]) -> Float64[np.ndarray, "2 n"]:
    """Return how far each wrist moved since the frame before; 0 if it is not seen in both."""
    steps = np.zeros(seen.shape)
    moved = places[:, :, 1:] - places[:, :, :-1]
    np.hypot(moved[:, 0], moved[:, 1], out=steps[:, 1:])
    steps[:, 1:] *= seen[:, 1:] & seen[:, :-1]
    return steps


def _hands(
    joints: Float64[np.ndarray, "49 3 n"], seen: Bool[np.ndarray, "49 n"], spans: list[slice]
) -> Iterator[Hands]:
    hands, wrists = joints[_HANDS, :2], joints[_WRISTS, :2]
    to_own, to_other = _distance(hands, wrists), _distance(hands, wrists[::-1])
    both_arms = seen[_WRISTS].all(axis=0)
    all_seen = seen[_HANDS] & both_arms
    confidence = np.stack([joints[hand, 2].sum(axis=0) for hand in (LEFT_HAND, RIGHT_HAND)])
    num_points = _num_points(joints[: LEFT_HAND.stop, 2], spans)
    for span, points in zip(spans, num_points, strict=True):
        yield Hands(all_seen[:, span], confidence[:, span], points, to_own[:, span], to_other[:, span])


def _num_points(confidence: Float64[np.ndarray, "42 n"], spans: list[slice]) -> Int64[np.ndarray, "clips 2"]:
    """Count the points of the left and the right hand that each clip has at all."""
    firsts = [span.start or 0 for span in spans]
    present = np.logical_or.reduceat(confidence != 0, firsts, axis=1)
    counts = [np.count_nonzero(present[hand], axis=0) for hand in (LEFT_HAND, RIGHT_HAND)]
    return np.stack(counts, axis=1)


def _distance(
    points: Float64[np.ndarray, "2 2 n"], others: Float64[np.ndarray, "2 2 n"]
) -> Float64[np.ndarray, "2 n"]:
    apart = points - others
    return np.hypot(apart[:, 0], apart[:, 1])
