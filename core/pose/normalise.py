"""Normalise raw COCO-WholeBody keypoints in pixels to a clip (paper, section III-A).

* Videos of more than 150 frames are subsampled.
* Each hand is expressed in coordinates of its square crop box.
* The left hand is mirrored, so that both hands share one graph network.
* The trunk is expressed in fractions of the image.
* Frames without a hand are dropped.

Rounding and order of the steps reproduce the outputs of the released data code.

Frames are independent, so frames of many videos are processed as one array. Its last axis is the frame, so
that every step is one pass over contiguous numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from core.errors import PoseError
from core.pose.clip import Clip
from core.pose.hand_boxes import MIN_POINTS, POINT_CONFIDENCE, hand_boxes
from core.pose.skeleton import (
    COCO_WHOLEBODY_JOINTS,
    LEFT_ARM,
    LEFT_HAND,
    NUM_JOINTS,
    RIGHT_ARM,
    RIGHT_HAND,
    TRUNK,
)
from core.specs.source_formats import ProfileName

NUM_RAW_JOINTS = 133
"""Number of COCO-WholeBody keypoints."""
MAX_FRAMES = 150
"""Videos of more frames are subsampled."""
LARGEST_COORDINATE = 1e6
"""Maximum coordinate in pixels; a keypoint farther out is a detector error and counts as missing."""

_VISIBLE_CONFIDENCE = 0.5
_MIRROR_ZERO = 255 / 256
_JOINTS = np.array(COCO_WHOLEBODY_JOINTS)


@dataclass(frozen=True)
class NormalisationProfile:
    """Confidence thresholds of a benchmark.

    * `arm_confidence`: minimum confidence of shoulder, elbow and wrist to extrapolate a hand from them.
    * `hand_point_confidence`: a hand point below it is set to (0, 0).
    * `wrist_above_margin`: extrapolate only if the wrist is more than 50 pixels above the image's lower edge.
    """

    name: ProfileName
    arm_confidence: float
    hand_point_confidence: float
    wrist_above_margin: bool


PROFILES: dict[ProfileName, NormalisationProfile] = {
    profile.name: profile
    for profile in (
        NormalisationProfile("wlasl", 0.8, 0.5, True),
        NormalisationProfile("msasl", 0.8, 0.5, True),
        # 0.4 is stated for SLR500's hand points, but all below 0.5 are (0, 0) in its reference outputs.
        NormalisationProfile("slr500", 0.5, 0.5, False),
        NormalisationProfile("nmfs_csl", 0.5, 0.5, True),
    )
}
"""The profiles of the four benchmarks, by name."""


@dataclass(frozen=True)
class Video:
    """Input of the normalisation: 49 joints (T, 49, 3) in pixels of every `stride`-th frame of a video."""

    joints: np.ndarray
    width: int
    height: int
    stride: int

    @classmethod
    def of(cls, keypoints: np.ndarray, *, width: int, height: int) -> "Video":
        """Select and subsample keypoints (n, 133, 3): x and y in pixels (y down), confidence in [0, 1].

        Raises:
            PoseError: wrong shape, not real numbers, or an image below 2 x 2 pixels.
        """
        _check(keypoints, width, height)
        stride = subsample_stride(len(keypoints))
        return cls(keypoints[::stride].take(_JOINTS, axis=1), width, height, stride)

    def __len__(self) -> int:
        return len(self.joints)


@dataclass(frozen=True)
class JoinedVideos:
    """Joints of several videos in one array, frames last, and the span of each video's frames.

    Keypoints that are not finite or too far out are zeros.
    """

    videos: Sequence[Video]
    joints: Float64[np.ndarray, "49 3 n"]
    spans: list[slice]

    @classmethod
    def of(cls, videos: Sequence[Video]) -> "JoinedVideos":
        """Join the videos."""
        ends = list(accumulate(map(len, videos)))
        spans = [slice(last - len(video), last) for video, last in zip(videos, ends, strict=True)]
        return cls(videos, _cleaned(videos, spans), spans)


@dataclass(frozen=True)
class Normalised:
    """A clip, and for each of its frames the index of the raw frame."""

    clip: Clip
    kept_frames: Int64[np.ndarray, " T"]


def normalise(keypoints: np.ndarray, *, width: int, height: int, profile: NormalisationProfile) -> Normalised:
    """Normalise a video's raw keypoints (n, 133, 3): x and y in pixels (y down), confidence in [0, 1].

    A keypoint that is not finite, or above `LARGEST_COORDINATE`, is missing (confidence 0, position (0, 0)).

    Raises:
        PoseError: wrong shape, an image below 2 x 2 pixels, or no frame with a hand.
    """
    video = Video.of(keypoints, width=width, height=height)
    (result,) = normalise_videos(JoinedVideos.of([video]), profile)
    if isinstance(result, PoseError):
        raise result
    return result


def normalise_videos(joined: JoinedVideos, profile: NormalisationProfile) -> list[Normalised | PoseError]:
    """Normalise many videos at once, independently; return a PoseError for a video without hands."""
    videos = joined.videos
    lengths = [len(video) for video in videos]
    image = np.repeat([(video.width, video.height) for video in videos], lengths, axis=0).T  # (2, n)
    points, visible, found = _normalised_frames(joined.joints, image.astype(np.float64), profile)
    results: list[Normalised | PoseError] = []
    for video, frames in zip(videos, joined.spans, strict=True):
        kept = np.flatnonzero(found[frames])
        if len(kept) == 0:
            results.append(_without_hands(video, profile))
            continue
        chosen = frames if len(kept) == len(video) else kept + frames.start
        results.append(Normalised(Clip.of(points[chosen], visible[chosen]), kept * video.stride))
    return results


def subsample_stride(num_frames: int) -> int:
    """Return the stride for subsampling a video: 1 up to 150 frames, else max(2, ceil(n / 150))."""
    return 1 if num_frames <= MAX_FRAMES else max(2, -(-num_frames // MAX_FRAMES))


def _check(keypoints: np.ndarray, width: int, height: int) -> None:
    if keypoints.ndim != 3 or keypoints.shape[1:] != (NUM_RAW_JOINTS, 3):
        raise PoseError(
            f"Raw keypoints must have the shape (frames, {NUM_RAW_JOINTS}, 3); got {keypoints.shape}."
        )
    if keypoints.dtype.kind not in "fiu":
        raise PoseError(f"Raw keypoints must be real numbers; got {keypoints.dtype}.")
    if min(width, height) < 2:
        raise PoseError(f"The image must be at least 2 x 2 pixels; got {width} x {height}.")


def _without_hands(video: Video, profile: NormalisationProfile) -> PoseError:
    return PoseError(
        f"The clip has no visible hands: none of its {len(video)} frames has {MIN_POINTS} points of a hand "
        f"above confidence {POINT_CONFIDENCE}, or an arm of at least {profile.arm_confidence}."
    )


def _cleaned(videos: Sequence[Video], spans: list[slice]) -> Float64[np.ndarray, "49 3 n"]:
    """Return all videos' joints, frames last; zeros for keypoints that are not finite or too far out."""
    planes = np.empty((NUM_JOINTS, 3, spans[-1].stop))
    for video, span in zip(videos, spans, strict=True):
        planes[:, :, span] = video.joints.transpose(1, 2, 0)
    known = (np.abs(planes[:, :2]) <= LARGEST_COORDINATE).all(axis=1) & np.isfinite(planes[:, 2])  # (49, n)
    if not known.all():
        planes = np.where(known[:, None], planes, 0.0)
    return planes


def _normalised_frames(
    planes: Float64[np.ndarray, "49 3 n"], image: Float64[np.ndarray, "2 n"], profile: NormalisationProfile
) -> tuple[Float32[np.ndarray, "n 49 2"], Bool[np.ndarray, "n 49"], Bool[np.ndarray, " n"]]:
    """Return each frame's points and visibility, and which frames show a hand."""
    points = np.empty((NUM_JOINTS, 2, planes.shape[2]), dtype=np.float32)
    visible = planes[:, 2] > _VISIBLE_CONFIDENCE
    points[TRUNK] = planes[TRUNK, :2] / image
    anything = np.zeros(planes.shape[2], dtype=np.bool_)
    for hand, arm in ((RIGHT_HAND, RIGHT_ARM), (LEFT_HAND, LEFT_ARM)):
        box, found = hand_boxes(
            planes[hand],
            planes[arm],
            image,
            arm_confidence=profile.arm_confidence,
            wrist_above_margin=profile.wrist_above_margin,
        )
        cropped = _in_box(planes[hand], box, profile)
        points[hand] = np.where(found, _mirrored(cropped) if hand == LEFT_HAND else cropped, 0.0)
        visible[hand] &= found
        anything |= found
    return np.ascontiguousarray(points.transpose(2, 0, 1)), np.ascontiguousarray(visible.T), anything


def _in_box(
    hand: Float64[np.ndarray, "21 3 n"], boxes: Float64[np.ndarray, "3 n"], profile: NormalisationProfile
) -> Float64[np.ndarray, "21 2 n"]:
    """Return the hand's points in fractions of its box, (0, 0) for points with too little confidence."""
    points = np.maximum((hand[:, :2] - boxes[:2]) / boxes[2], 0.0)
    return np.where(hand[:, 2:] < profile.hand_point_confidence, 0.0, points)


def _mirrored(points: Float64[np.ndarray, "21 2 n"]) -> Float64[np.ndarray, "21 2 n"]:
    """Mirror x -> 1 - x. Results of 255/256 and above become 0, so that zeroed points stay at 0."""
    mirrored = 1.0 - points[:, 0]
    return np.stack([np.where(mirrored >= _MIRROR_ZERO, 0.0, mirrored), points[:, 1]], axis=1)
