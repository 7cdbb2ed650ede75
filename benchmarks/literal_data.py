"""Reference data path in the style of a research repository: one video, frame and sample at a time.

It follows the paper literally (sections III-A and III-B). A loader reads a raw video from its own file,
normalises it in a loop over frames, and cuts two views. A batch is a stack of such samples. Nothing is slow
on purpose: the 21 points of a hand are processed together, and a view is resized by one call and transformed
by one product. It is the baseline of `views.py` and `importing.py`. Tests compare its normalisation and
resizing with outputs of the released code.
"""

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from core.pose.normalise import NormalisationProfile
from core.specs.views import ViewConfig

RIGHT_HAND, LEFT_HAND = list(range(112, 133)), list(range(91, 112))
NOSE, LEFT_ARM, RIGHT_ARM = [0], [5, 7, 9], [6, 8, 10]
MAX_FRAMES = 150

Box = tuple[float, float, float]
"""Corner x, corner y, side, in pixels."""
Sample = tuple[torch.Tensor, torch.Tensor]
"""A view: points (T, 49, 2), and visibility of right and left hand by frame (T, 2)."""


class Video(NamedTuple):
    """A raw video: COCO-WholeBody keypoints (n, 133, 3) in pixels and its image size."""

    keypoints: np.ndarray
    width: int
    height: int


class LiteralLoader:
    """Makes a training sample, two views, from a video's file (a pickled `Video` or tuple)."""

    def __init__(self, files: Sequence[Path], profile: NormalisationProfile, config: ViewConfig) -> None:
        self.files, self.profile, self.config = files, profile, config
        self.random = np.random.default_rng(0)

    def __getitem__(self, index: int) -> list[Sample]:
        """Read and normalise a video, and cut two views."""
        video = Video(*pickle.loads(self.files[index].read_bytes()))  # noqa: S301 - our own file
        points, visible, _ = normalised_frame_by_frame(video, self.profile)
        return [one_view(points, visible, self.config, self.random) for _ in range(2)]

    def batch(self, indices: Iterable[int]) -> list[Sample]:
        """Return a batch of each of the two views, collated as by a data loader."""
        return collated([self[int(index)] for index in indices])


def collated(samples: Sequence[Sequence[Sample]]) -> list[Sample]:
    """Stack samples of two views into two batches."""
    views = zip(*samples, strict=True)
    return [(torch.stack([p for p, _ in view]), torch.stack([v for _, v in view])) for view in views]


def normalised_frame_by_frame(
    video: Video, profile: NormalisationProfile
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return points (T, 49, 2), visibility (T, 49), and the indices of the raw frames."""
    num_frames = len(video.keypoints)
    stride = 1 if num_frames <= MAX_FRAMES else max(2, -(-num_frames // MAX_FRAMES))
    points, visible, kept = [], [], []
    for number in range(0, num_frames, stride):
        frame = video.keypoints[number].astype(np.float64)
        right_box = hand_box(frame[RIGHT_HAND], frame[RIGHT_ARM], video, profile)
        left_box = hand_box(frame[LEFT_HAND], frame[LEFT_ARM], video, profile)
        if right_box is None and left_box is None:
            continue
        right, right_visible = cropped_hand(frame[RIGHT_HAND], right_box, profile)
        left, left_visible = cropped_hand(frame[LEFT_HAND], left_box, profile)
        if left_box is not None:
            left[:, 0] = 1 - left[:, 0]
            left[left[:, 0] >= 255 / 256, 0] = 0
        trunk = frame[NOSE + LEFT_ARM + RIGHT_ARM]
        points.append(np.concatenate([right, left, trunk[:, :2] / [video.width, video.height]]))
        visible.append(np.concatenate([right_visible, left_visible, trunk[:, 2] > 0.5]))
        kept.append(number)
    return np.array(points, dtype=np.float32), np.array(visible), kept


def hand_box(hand: np.ndarray, arm: np.ndarray, video: Video, profile: NormalisationProfile) -> Box | None:
    """Return a hand's crop box: around its points, else extrapolated from the arm, else None."""
    sure = hand[hand[:, 2] > 0.1, :2]
    if len(sure) >= 10:
        return box_of_points(sure, video)
    trusted = arm[:, 2].min() >= profile.arm_confidence
    if profile.wrist_above_margin:
        trusted = trusted and arm[2, 1] < video.height - 50
    return box_of_arm(arm[:, :2], video) if trusted else None


def box_of_points(sure: np.ndarray, video: Video) -> Box:
    """Return a square 2.2 times the points' bounding box, shifted into the image."""
    (left, top), (right, bottom) = sure.min(axis=0), sure.max(axis=0)
    side = float(round(2.2 * max(right - left, bottom - top)))
    side = max(min(side, min(video.width, video.height) - 1), 1)
    x = min(max(round((left + right) / 2 - side / 2), 0), video.width - 1 - side)
    y = min(max(round((top + bottom) / 2 - side / 2), 0), video.height - 1 - side)
    return x, y, side


def box_of_arm(arm: np.ndarray, video: Video) -> Box:
    """Return a square beyond the wrist, with a side estimated from the arm, clipped to the image."""
    shoulder, elbow, wrist = arm
    side = 1.1 * max(np.linalg.norm(wrist - elbow), 0.9 * np.linalg.norm(elbow - shoulder))
    x, y = np.maximum(wrist + 0.33 * (wrist - elbow) - side / 2, 0)
    return x, y, max(min(side, video.width - x, video.height - y), 1)


def cropped_hand(
    hand: np.ndarray, box: Box | None, profile: NormalisationProfile
) -> tuple[np.ndarray, np.ndarray]:
    """Return a hand's points in fractions of its box, (0, 0) for low confidence, and their visibility."""
    if box is None:
        return np.zeros((21, 2)), np.zeros(21, dtype=bool)
    x, y, side = box
    points = np.maximum((hand[:, :2] - [x, y]) / side, 0)
    points[hand[:, 2] < profile.hand_point_confidence] = 0
    return points, hand[:, 2] > 0.5


def one_view(
    points: np.ndarray, visible: np.ndarray, config: ViewConfig, random: np.random.Generator
) -> Sample:
    """Crop, resize, augment and randomly swap the hands of one sample."""
    frames = min(len(points), config.max_source_frames)
    ratio = random.uniform(config.crop_fraction_min, config.crop_fraction_max)
    length = min(max(int(frames * ratio), config.min_crop_frames), frames)
    start = int(random.integers(0, frames - length + 1))
    view = resized(points[start : start + length], config.num_frames)
    chosen = visible[start + np.arange(config.num_frames) * length // config.num_frames]
    hands = np.stack([chosen[:, :21].any(axis=1), chosen[:, 21:42].any(axis=1)], axis=1)
    view = augmented(view, config, random)
    if random.random() < config.hand_swap_probability:
        view = np.concatenate([view[:, 21:42], view[:, :21], view[:, 42:]], axis=1)
        hands = hands[:, ::-1].copy()
    return torch.from_numpy(view.astype(np.float32)), torch.from_numpy(hands)


def resized(crop: np.ndarray, num_frames: int) -> np.ndarray:
    """Resize a crop (L, 49, 2) to (num_frames, 49, 2)."""
    series = torch.from_numpy(crop.reshape(len(crop), -1).T.copy())[None]  # (1, 98, L)
    frames = functional.interpolate(series, size=num_frames, mode="linear", align_corners=False)[0]
    return frames.numpy().T.reshape(num_frames, 49, 2)


def augmented(view: np.ndarray, config: ViewConfig, random: np.random.Generator) -> np.ndarray:
    """Apply joint corruption or shear with equal probability, the same in all frames."""
    if random.random() >= config.occlusion_probability:
        a, b = random.uniform(-config.shear_range, config.shear_range, 2)
        return view @ np.array([[1, a], [b, 1]]).T
    joints = random.permutation(49)[: config.num_occluded_joints]
    zeroed = random.random() < config.occlusion_zero_probability
    corrupted = view.copy()
    matrix = np.zeros((2, 2)) if zeroed else random.uniform(-1, 1, (2, 2)) * config.occlusion_matrix_range
    corrupted[:, joints] = view[:, joints] @ matrix.T
    return corrupted
