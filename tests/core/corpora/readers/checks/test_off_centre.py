"""A wrong frame size is found by where people stand in the frame, and real clips give no false alarm."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.detect import open_source
from core.corpora.readers.raw_clip import RawClips, ReadOptions, normalised
from core.corpora.source import ReadReport
from core.pose.normalise import PROFILES
from tests.core.corpora.readers.conftest import coco_keypoints, read


def found(saved: Any, clips: list[np.ndarray], width: int, height: int) -> dict[str, int]:
    offsets = np.cumsum([0, *map(len, clips)])
    path = saved("many.npz", keypoints=np.concatenate(clips), offsets=offsets, width=width, height=height)
    return {each.kind.code: each.count for each in read(path).report.findings()}


@pytest.mark.parametrize("num_clips", [1, 4, 5, 8])
@pytest.mark.parametrize(
    ("width", "is_found"), [(640, False), (950, True), (938, False), (484, True), (485, False), (1920, True)]
)
def test_people_stand_near_the_middle(saved: Any, num_clips: int, width: int, is_found: bool) -> None:
    """The middle of the shoulders is at x = 320."""
    clips = [coco_keypoints(3, seed=seed) for seed in range(num_clips)]
    expected = {"people-off-centre": num_clips} if is_found and num_clips >= 5 else {}
    assert found(saved, clips, width, 480) == expected


def test_most_clips_must_show_it(saved: Any) -> None:
    clips = [coco_keypoints(3, seed=seed) for seed in range(12)]
    for clip in clips[:6]:
        clip[:, :, 0] -= 150
    assert found(saved, clips, 640, 480) == {}


def portrait(seed: int, x: float) -> np.ndarray:
    """A person whose shoulders are at x; points reach to 610 below."""
    clip = coco_keypoints(3, seed=seed)
    clip[..., 0] += x - 320
    clip[:, 10, :2] = clip[:, 112, :2] = x - 40, 610
    return clip


@pytest.mark.parametrize(("x", "is_found"), [(250, True), (190, True), (258, False), (320, False)])
def test_an_exchanged_size_needs_a_person_far_left(saved: Any, x: float, is_found: bool) -> None:
    expected = {"exchanged-frame-size": 1} if is_found else {}
    assert found(saved, [portrait(0, x)], 853, 600) == expected


def test_a_person_without_shoulders_is_no_evidence(saved: Any) -> None:
    clip = portrait(0, 200)
    clip[:, [5, 6], 2] = 0
    assert "exchanged-frame-size" not in found(saved, [clip], 853, 600)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "expected"),
    [("signs/signs.npz", {}), ("words/words.npz", {"jumps": 1}), ("letters/letters.npz", {})],
)
def test_single_real_clips_have_no_finding(shared_data: Path, source: str, expected: dict[str, int]) -> None:
    """Each clip as if it were imported alone. In one clip of words a second person steps in."""
    options = ReadOptions(PROFILES["wlasl"], (640, 480))
    opened = open_source(shared_data / source, "auto", options, ReadReport())
    codes: Counter[str] = Counter()
    for clip in (clip for piece in opened.pieces for clip in piece.read(ReadReport())):
        report = ReadReport()
        list(normalised(RawClips((clip,)), PROFILES["wlasl"], report))
        codes.update(found.kind.code for found in report.findings())
    assert codes == expected
