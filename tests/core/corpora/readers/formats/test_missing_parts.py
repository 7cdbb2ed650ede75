"""A part of MediaPipe points that was not detected is missing, whatever stands in its place."""

from pathlib import Path

import numpy as np
import pytest

from core.pose.skeleton import LEFT_HAND, TRUNK
from tests.core.corpora.readers import written
from tests.core.corpora.readers.checks.test_limits import WRITERS
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read

SIZE = (640, 480)
FORMS = ("mediapipe_holistic", "mediapipe_holistic, many", "mediapipe_tasks", "pose_pickle", "wide_frames")
CASES = [
    (form, place)
    for form in FORMS
    for place in (0.0, -1.0, 0.5, np.nan)
    if not (form == "mediapipe_tasks" and np.isnan(place))  # JSON has no NaN
]


@pytest.mark.parametrize(("form", "place"), CASES)
def test_points_at_one_place_are_missing(tmp_path: Path, form: str, place: float) -> None:
    points = holistic_keypoints(1, 12)[0]
    (whole,) = read(WRITERS[form](tmp_path / "whole", points), size=SIZE).clips
    points[3:7, 33:54, :2] = place  # the left hand
    points[9, :33, :2] = place
    result = read(WRITERS[form](tmp_path / "clip", points), size=SIZE)
    assert result.report.findings() == []
    (clip,) = result.clips
    hidden = np.zeros((12, 49), dtype=bool)
    hidden[3:7, LEFT_HAND] = hidden[9, TRUNK] = True
    np.testing.assert_array_equal(clip.clip.visible, whole.clip.visible & ~hidden)
    kept = ~hidden & ~(np.arange(12) == 9)[:, None]
    np.testing.assert_array_equal(clip.clip.points[kept], whole.clip.points[kept])
    assert not clip.clip.points[9, TRUNK].any()


@pytest.mark.parametrize("place", [0.0, -1.0])
def test_points_of_the_baseline_of_asl_citizen(tmp_path: Path, place: float) -> None:
    points = np.full((12, 543, 2), 0.5)
    pose, left, right = np.split(holistic_keypoints(1, 12)[0, :, :, :2], [33, 54], axis=1)
    points[:, :75] = np.concatenate([pose, right, left], axis=1)
    points[:4, 33:75] = points[10, :33] = place
    np.save(tmp_path / "clip.npy", points)
    (clip,) = read(tmp_path / "clip.npy", size=SIZE).clips
    visible = clip.clip.visible
    assert len(visible) == 12, "in the first frames the hands are where the arms end"
    assert visible[4:, :42].all()
    assert not visible[:4, :42].any()
    assert visible[:, TRUNK].all(axis=1).tolist() == [number != 10 for number in range(12)]


def test_a_sequence_without_a_pose_has_hands_only(tmp_path: Path) -> None:
    rows = [
        (frame, kind, index, 0.3 + 0.02 * index, 0.4 + 0.01 * (frame + index))
        for frame in range(12)
        for kind in ("left_hand", "right_hand")
        for index in range(21)
    ]
    columns = zip(("frame", "type", "landmark_index", "x", "y"), zip(*rows, strict=True), strict=True)
    path = written.write_parquet(tmp_path / "1.parquet", {name: list(each) for name, each in columns})
    report = read(path, size=SIZE).report
    assert (report.clips_read, report.parts_seen["body"], report.findings()) == (1, 0, [])


@pytest.mark.parametrize(
    ("missing", "is_found"), [((-1, -1, -1), False), ((3, 4, -1), True), ((-1, -1, -2), True)]
)
def test_a_marker_of_missing_points_is_no_confidence(
    tmp_path: Path, missing: tuple[int, int, int], is_found: bool
) -> None:
    keypoints = coco_keypoints(12)
    keypoints[:, 91:112] = missing
    path = tmp_path / "clip.npz"
    np.savez(path, keypoints=keypoints, width=640, height=480)
    codes = [found.kind.code for found in read(path).report.findings()]
    assert codes == ["confidences-out-of-range"] * is_found
