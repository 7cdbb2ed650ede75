"""OpenHands' pickles: MediaPipe points and confidences, in fractions of the frame."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers.conftest import holistic_keypoints, read

SIZE = (640, 480)


def dumped(path: Path, **facts: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(facts, protocol=4))
    return path


def openhands(points: np.ndarray) -> dict[str, np.ndarray]:
    """Points (T, 75, 3) as OpenHands saves them: x, y, z, and confidences apart."""
    depth = np.full((*points.shape[:2], 1), -0.3)
    return {"keypoints": np.concatenate([points[:, :, :2], depth], axis=2), "confidences": points[:, :, 2]}


def expected(points: np.ndarray) -> Any:
    """The clip, with each COCO-WholeBody keypoint taken from its MediaPipe point."""
    keypoints = np.zeros((len(points), 133, 3))
    order = {0: 0, 5: 11, 6: 12, 7: 13, 8: 14, 9: 15, 10: 16}
    order |= {91 + joint: 33 + joint for joint in range(21)}
    order |= {112 + joint: 54 + joint for joint in range(21)}
    for coco, point in order.items():
        keypoints[:, coco] = points[:, point] * (640, 480, 1)
    return normalise(keypoints, width=640, height=480, profile=PROFILES["wlasl"]).clip


@pytest.fixture
def points() -> np.ndarray:
    points: np.ndarray = holistic_keypoints(1, 8)[0]
    points[:, :33, 2] = np.linspace(0.6, 1, 33)
    points[2, 33:54] = 0  # no left hand
    return points


def test_points_are_those_of_the_file(tmp_path: Path, points: np.ndarray) -> None:
    result = read(dumped(tmp_path / "clip.pkl", **openhands(points)), size=SIZE)
    (source,) = result.clips
    wanted = expected(points)
    assert result.format == "pose_pickle"
    np.testing.assert_allclose(source.clip.points, wanted.points, atol=1e-6)
    np.testing.assert_array_equal(source.clip.visible, wanted.visible)
    assert not source.clip.visible[2, 21:42].any()


def test_pixels_are_read_too(tmp_path: Path, points: np.ndarray) -> None:
    pixels = openhands(points * (640, 480, 1))
    (source,) = read(dumped(tmp_path / "clip.pkl", **pixels), size=SIZE).clips
    np.testing.assert_allclose(source.clip.points, expected(points).points, atol=1e-6)


def test_a_folder_of_signs(tmp_path: Path, points: np.ndarray) -> None:
    for name in ("tea/1", "tea/2", "book/1"):
        dumped(tmp_path / f"{name}.pkl", **openhands(points))
    result = read(tmp_path)
    assert [(clip.name, clip.label) for clip in result.clips] == [
        ("book/1", "book"),
        ("tea/1", "tea"),
        ("tea/2", "tea"),
    ]
    assert any("frame size is unknown" in note for note in result.report.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": np.zeros((8, 133, 3))}, r"must have the shape \(frames, 75, 2 or 3\)"),
        ({"keypoints": np.zeros((8, 75, 4))}, r"got \(8, 75, 4\)"),
        ({"keypoints": [1, 2]}, "must be arrays of numbers"),
        ({"confidences": np.zeros((8, 74))}, r"confidences \(8, 74\)"),
        ({"confidences": np.full((8, 75), "x")}, "must be arrays of numbers"),
        (
            {"keypoints": np.zeros((50_001, 75, 2), "i1"), "confidences": np.zeros((50_001, 75), "i1")},
            "50001",
        ),
    ],
)
def test_other_arrays_are_refused(
    tmp_path: Path, points: np.ndarray, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        read(dumped(tmp_path / "clip.pkl", **{**openhands(points), **change}), size=SIZE)
