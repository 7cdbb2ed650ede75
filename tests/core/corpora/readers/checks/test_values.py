"""Values that a recording of a person cannot have are findings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, read

Save = Callable[..., Path]
Change = Callable[[np.ndarray], object]


def changed(change: Change) -> np.ndarray:
    """Twenty frames of random points around a body at rest, with a change."""
    keypoints = coco_keypoints(20)
    change(keypoints)
    return keypoints


def put(place: Any, value: Any) -> Change:
    def change(keypoints: np.ndarray) -> None:
        keypoints[place] = value

    return change


def repeat_frames(keypoints: np.ndarray) -> None:
    keypoints[1::2] = keypoints[::2]
    keypoints[2::4] = keypoints[::4]
    keypoints[3::4] = keypoints[::4]


def freeze(keypoints: np.ndarray) -> None:
    keypoints[:] = keypoints[0]


def step_aside(keypoints: np.ndarray) -> None:
    keypoints[8:, :, 0] += 150


def step_aside_unseen(keypoints: np.ndarray) -> None:
    step_aside(keypoints)
    keypoints[8, :, 2] = 0


def step_aside_slowly(keypoints: np.ndarray) -> None:
    step_aside(keypoints)
    keypoints[8:10, :, 2] = 0


def put_in_one_place(keypoints: np.ndarray) -> None:
    keypoints[:, :, :2] = 240
    keypoints[:, :91, 2] = 0


CHANGES: dict[str, tuple[str, Change, str]] = {
    "negative": ("confidences-out-of-range", put((..., 0, 2), -0.4), ""),
    "all negative": ("confidences-out-of-range", put((..., 2), -0.4), "down to -0.4"),
    "zeros": ("points-at-zero", put((slice(None), slice(91, 112), slice(2)), 0.0), "of 980"),
    "no numbers": ("points-not-numbers", put((slice(None), slice(91, 112), 0), np.nan), "of 980"),
    "still hand": (
        "still-points",
        put((slice(None), slice(112, 133), slice(2)), (300.0, 200.0)),
        "right hand",
    ),
    "still": ("still-points", freeze, "right hand and left hand and trunk"),
    "repeated": ("repeated-frames", repeat_frames, "15 of 20 frames"),
    "jump": ("jumps", step_aside, "1 times"),
    "jump over a gap": ("jumps", step_aside_unseen, "1 times"),
    "one place": ("points-in-a-corner", put_in_one_place, "x from 240 to 240, y from 240 to 240"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_value_that_cannot_be_is_found(saved: Save, case: str) -> None:
    code, change, example = CHANGES[case]
    path = saved("clip.npz", keypoints=changed(change), width=640, height=480)
    found = [(each.kind.code, each.count) for each in read(path).report.findings()]
    if case == "negative":
        assert found == [], "too few to be a mistake in reading"
        return
    assert (code, 1) in found
    assert example in next(f for f in read(path).report.findings() if f.kind.code == code).examples[0]


def test_a_step_in_the_time_of_a_longer_gap_is_no_jump(saved: Save) -> None:
    """150 pixels in three frames, with shoulders 60 pixels apart."""
    path = saved("clip.npz", keypoints=changed(step_aside_slowly), width=640, height=480)
    assert read(path).report.findings() == []


def test_usual_values_are_no_finding(saved: Save) -> None:
    path = saved("clip.npz", keypoints=coco_keypoints(20), width=640, height=480, fps=25)
    assert read(path).report.findings() == []


@pytest.mark.parametrize(
    ("fps", "is_odd"), [(0, False), (5, False), (120, False), (2, True), (240, True), (5000, True)]
)
def test_frame_rates_have_a_range(saved: Save, fps: float, is_odd: bool) -> None:
    path = saved("clip.npz", keypoints=coco_keypoints(20), width=640, height=480, fps=fps)
    report = read(path).report
    assert [each.kind.code for each in report.findings()] == ["odd-frame-rate"] * is_odd
    assert dict(report.frame_rates) == ({fps: 1} if 1 <= fps <= 1000 else {})


@pytest.mark.parametrize("clip", ["ok", "swapped"])
def test_an_exchanged_size_is_found(shared_data: Path, clip: str) -> None:
    path = shared_data / "cases" / "portrait" / f"{clip}.pose"
    found = read(path).report.findings()
    assert [each.kind.code for each in found] == ["exchanged-frame-size"] * (clip == "swapped")


def test_the_size_of_the_options_is_used(shared_data: Path) -> None:
    folder = shared_data / "cases" / "portrait"
    (expected,) = read(folder / "ok.pose").clips
    result = read(folder / "swapped.pose", size=(1080, 1920))
    np.testing.assert_array_equal(result.clips[0].clip.points, expected.clip.points)
    (found,) = result.report.findings()
    assert (found.kind.code, found.examples) == ("other-frame-size", ["swapped: 1920 x 1080"])


def test_a_known_default_size_is_not_believed(shared_data: Path) -> None:
    case = shared_data / "cases" / "pose-default-1000"
    (expected,) = read(case / "frames", size=(640, 480)).clips
    (clip,) = read(case / "default.pose", size=(640, 480)).clips
    np.testing.assert_allclose(clip.clip.points[:, 42:], expected.clip.points[:, 42:], atol=1e-5)
    (found,) = read(case / "default.pose").report.findings()
    assert found.kind.code == "default-frame-size"


@pytest.mark.parametrize("fps", [24, 30])
def test_the_default_rate_is_unknown_beside_the_default_size(tmp_path: Path, fps: int) -> None:
    for size, rates in (((1000, 1000), {} if fps == 24 else {30.0: 1}), ((640, 480), {float(fps): 1})):
        path = written.write_pose(tmp_path / f"{size[0]}.pose", coco_keypoints(3), fps=fps, size=size)
        assert dict(read(path).report.frame_rates) == rates
