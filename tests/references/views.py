"""Temporal resizing one frame at a time, as a loop."""

import numpy as np


def resized(clip: np.ndarray, start: int, length: int, frames: int) -> np.ndarray:
    rows = []
    for i in range(frames):
        place = min(max((i + 0.5) * length / frames - 0.5, 0), length - 1)
        low = int(np.floor(place))
        high = min(low + 1, length - 1)
        share = place - low
        rows.append(clip[start + low] * (1 - share) + clip[start + high] * share)
    return np.stack(rows)


def picked(mask: np.ndarray, start: int, length: int, frames: int) -> np.ndarray:
    return np.stack([mask[start + i * length // frames] for i in range(frames)])
