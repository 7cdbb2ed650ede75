"""Synthetic raw keypoints for benchmarks: smooth random motion of hands and body, with some hands lost."""

import numpy as np

WIDTH, HEIGHT = 640, 480

RawVideo = tuple[np.ndarray, int, int]
"""COCO-WholeBody keypoints (n, 133, 3) in pixels, image width, image height."""


def synthetic_videos(count: int, *, seed: int = 0) -> list[RawVideo]:
    """Make videos of 40 to 110 frames, COCO-WholeBody keypoints in float32."""
    random = np.random.default_rng(seed)
    return [_video(int(random.integers(40, 111)), random) for _ in range(count)]


def _video(num_frames: int, random: np.random.Generator) -> RawVideo:
    middle = random.uniform((200, 180), (440, 300), (133, 2))
    for hand in (slice(91, 112), slice(112, 133)):
        middle[hand] = middle[hand].mean(axis=0) + random.uniform(-35, 35, (21, 2))
    steps = random.normal(0, 1.5, (num_frames, 133, 2)).cumsum(axis=0)
    confidence = random.uniform(0.3, 1.0, (num_frames, 133, 1))
    lost = random.random((num_frames, 2)) < 0.05
    for side, hand in enumerate((slice(91, 112), slice(112, 133))):
        confidence[lost[:, side], hand] = 0.05
    confidence[:, :11] = 0.9
    keypoints = np.concatenate([middle + steps, confidence], axis=2).astype(np.float32)
    keypoints[:, [9, 10], :2] = keypoints[:, [91, 112], :2]  # hands at the wrists of their arms
    return keypoints, WIDTH, HEIGHT
