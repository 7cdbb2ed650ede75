"""Frames that are missing between others are counted, in every format that numbers its frames."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.corpora.readers.checks.frame_gaps import count_gaps
from core.corpora.source import ReadReport
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import Read, coco_keypoints, holistic_keypoints, read

SIZE = (written.WIDTH, written.HEIGHT)
KEPT = np.array([0, 1, 2, 7, 8])
"""Of nine frames; the four between are gone."""


def openpose(folder: Path) -> Read:
    written.write_openpose(folder, coco_keypoints(9))
    for number in range(3, 7):
        (folder / f"{number:012d}_keypoints.json").unlink()
    return read(folder, size=SIZE)


def mmpose(folder: Path) -> Read:
    path = written.write_mmpose(folder / "clip.json", coco_keypoints(9))
    document = json.loads(path.read_text())
    document["instance_info"] = [document["instance_info"][number] for number in KEPT]
    path.write_text(json.dumps(document))
    return read(path, size=SIZE)


def coco_parquet(folder: Path) -> Read:
    frames = np.repeat(KEPT, 133)
    return read(
        written.write_coco_parquet(folder / "clip.parquet", coco_keypoints(5), frame=frames), size=SIZE
    )


def asl_signs(folder: Path) -> Read:
    (points,) = holistic_keypoints(1, 5)
    frames = np.repeat(KEPT, 543).astype("i2")
    return read(written.write_asl_signs(folder / "clip.parquet", points, frame=frames), size=SIZE)


def mp_data(folder: Path) -> Read:
    (points,) = holistic_keypoints(1, 5)
    for number, frame in zip(KEPT, points, strict=True):
        path = folder / "tea" / "1" / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        pose = np.insert(frame[:33], 2, 0, axis=1)
        np.save(path, np.concatenate([pose.ravel(), frame[33:].ravel()]))
    return read(folder, size=SIZE)


@pytest.mark.parametrize("reads", [openpose, mmpose, coco_parquet, asl_signs, mp_data])
def test_a_gap_is_closed_and_counted(tmp_path: Path, reads: Callable[[Path], Read]) -> None:
    result = reads(tmp_path / "clip")
    assert len(result.clips[0].clip) == len(KEPT)
    assert result.report.frames_missing == 4
    assert any("gaps, which were closed" in note for note in result.report.notes)


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([], 0),
        ([5], 0),
        ([7, 5, 6], 0),
        ([0, 2, 4, 8], 1),  # every second frame of a video, and one is gone
        ([0, 3, 7, 10], 0),  # frames of a faster video, as they come
        ([100, 133, 167, 200, 300], 2),  # milliseconds
        ([4, 4, 5], 0),
        ([0, 10**60], 0),
        ([0, 1, 10**400], 1_000_000),  # a number beyond all sense
    ],
)
def test_gaps_are_seen_at_the_least_distance(numbers: list[int], missing: int) -> None:
    report = ReadReport()
    count_gaps(numbers, report)
    assert report.frames_missing == missing
    assert bool(report.notes) == bool(missing)
