"""Opening a source as the import does, and raw keypoints to make sources of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.detect import open_source
from core.corpora.readers.raw_clip import ReadOptions
from core.corpora.reading import read_clips
from core.corpora.source import ReadReport, SourceClip
from core.pose.normalise import PROFILES

Reads = Callable[..., "Read"]


@dataclass(frozen=True)
class Read:
    """All that came out of a source."""

    format: str
    clips: list[SourceClip]
    report: ReadReport


def read(
    path: Path,
    *,
    wanted: str = "auto",
    size: tuple[int, int] | None = None,
    profile: Any = "wlasl",
    **options: Any,
) -> Read:
    """Read a source to its end."""
    report = ReadReport()
    source = open_source(path, wanted, ReadOptions(PROFILES[profile], size, **options), report)
    clips = list(read_clips(source, processes=1))
    assert source.num_clips == report.clips_read + report.num_skipped
    assert len(clips) == report.clips_read
    return Read(source.format, clips, report)


def coco_keypoints(num_frames: int, seed: int = 0) -> np.ndarray:
    """Hands in the middle of 640 x 480, at the wrists of their arms, head and shoulders at rest."""
    generator = np.random.default_rng(seed)
    keypoints = np.full((num_frames, 133, 3), 0.9)
    keypoints[:, :, :2] = generator.uniform((270, 190), (370, 290), (num_frames, 133, 2))
    keypoints[:, [9, 10]] = keypoints[:, [91, 112]]
    keypoints[:, [0, 5, 6], :2] = (320, 200), (350, 240), (290, 240)
    return keypoints


def holistic_keypoints(num_clips: int, num_frames: int, seed: int = 0) -> np.ndarray:
    """MediaPipe points somewhere in the frame, hands at the wrists of their arms, everything detected."""
    generator = np.random.default_rng(seed)
    keypoints = generator.uniform(0.3, 0.7, (num_clips, num_frames, 75, 3))
    keypoints[..., [15, 16], :] = keypoints[..., [33, 54], :]
    keypoints[..., [0, 11, 12], :2] = (0.5, 0.36), (0.6, 0.5), (0.4, 0.5)
    keypoints[..., 2] = 1
    return keypoints


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Saves arrays as an .npz, by its path below the temporary folder."""

    def save(name: str, **arrays: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)
        return path

    return save
