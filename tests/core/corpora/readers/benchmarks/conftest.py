"""Small benchmarks in the layouts of docs/reference/benchmarks.md, filled with synthetic signers."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.readers.detect import open_source
from core.corpora.readers.raw_clip import ReadOptions
from core.corpora.reading import read_clips
from core.corpora.source import ReadReport, SourceClip
from core.pose.normalise import PROFILES, NormalisationProfile
from core.pose.synthetic.recording import HEIGHT, WIDTH, SyntheticConfig, generate_clips
from tests.core.corpora.readers.conftest import Read

SIZE = (WIDTH, HEIGHT)
JOINTS = (
    *(0, 5, 6, 7, 8, 9, 10),
    *(91, 95, 96, 99, 100, 103, 104, 107, 108, 111),
    *(112, 116, 117, 120, 121, 124, 125, 128, 129, 132),
)
"""SAM-SLR's 27 joints among COCO-WholeBody's 133, as it publishes them."""

Write = Callable[[str, Any], Path]


def read(path: Path, *, size: tuple[int, int] | None = SIZE, wanted: str = "auto", **asked: Any) -> Read:
    """Read a benchmark to its end, with these fields of `BenchmarkOptions`."""
    report = ReadReport()
    options = ReadOptions(PROFILES["wlasl"], size, BenchmarkOptions(**asked), profile_is_stated=False)
    source = open_source(path, wanted, options, report)
    clips = list(read_clips(source, processes=1))
    assert source.num_clips == report.clips_read + report.num_skipped
    assert source.published_split
    return Read(source.format, clips, report)


def profile_of(path: Path, **stated: Any) -> NormalisationProfile:
    """The thresholds that a source would be read with."""
    options = replace(ReadOptions(PROFILES["wlasl"], SIZE, profile_is_stated=False), **stated)
    return open_source(path, "auto", options, ReadReport()).profile


def facts(clips: Sequence[SourceClip]) -> list[tuple[str | None, ...]]:
    """Name, label, signer and split of each clip."""
    return [(clip.name, clip.label, clip.signer, clip.split) for clip in clips]


@pytest.fixture(scope="session")
def videos() -> list[np.ndarray]:
    """Ten recordings (T, 133, 3) of synthetic signers, in pixels of 640 x 480."""
    config = SyntheticConfig(num_signs=5, num_signers=2, takes_per_sign=1)
    return [clip.keypoints for clip in generate_clips(config)]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes text, or anything else as a pickle, below a folder `data`."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else pickle.dumps(content))
        return path

    return write
