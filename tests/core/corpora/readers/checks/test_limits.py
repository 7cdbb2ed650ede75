"""Confidences above the limit of their format are a finding; a format without a limit may exceed 1."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pose_format.pose_header import PoseHeaderComponent

from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read

SIZE = (640, 480)
ARM = ("SHOULDER", "ELBOW", "WRIST")
TRUNK = {"NOSE": 0} | {
    f"{side}_{joint}": 11 + 2 * place + (side == "RIGHT")
    for place, joint in enumerate(ARM)
    for side in ("LEFT", "RIGHT")
}
Write = Callable[[Path, np.ndarray], Path]


def write_npz(path: Path, points: np.ndarray) -> Path:
    np.savez(path.with_suffix(".npz"), keypoints=points)
    return path.with_suffix(".npz")


def write_many(path: Path, points: np.ndarray) -> Path:
    return write_npz(path, points[None])


def write_results(path: Path, points: np.ndarray) -> Path:
    return written.write_tasks(path.with_suffix(".json"), points)


def write_openhands(path: Path, points: np.ndarray) -> Path:
    facts = {"keypoints": points[:, :, :2], "confidences": points[:, :, 2]}
    path.with_suffix(".pkl").write_bytes(pickle.dumps(facts, protocol=4))
    return path.with_suffix(".pkl")


def write_wide(path: Path, points: np.ndarray) -> Path:
    parts = {"pose": (0, 33), "left_hand": (33, 21), "right_hand": (54, 21)}
    columns = {
        f"{name}_{part}_{index}": points[:, first + index, axis]
        for part, (first, size) in parts.items()
        for index in range(size)
        for axis, name in enumerate(("x", "y", "visibility"))
    }
    return written.write_parquet(path.with_suffix(".parquet"), columns)


def write_pose(path: Path, points: np.ndarray) -> Path:
    names = [f"p{index}" for index in range(33)]
    for name, index in TRUNK.items():
        names[index] = name
    hand = [f"h{index}" for index in range(21)]
    parts = {"POSE_LANDMARKS": names, "LEFT_HAND_LANDMARKS": hand, "RIGHT_HAND_LANDMARKS": hand}
    components = [PoseHeaderComponent(name, each, [], [], "XYC") for name, each in parts.items()]
    pixels = (points * (*SIZE, 1))[:, None]
    return written.write_components(path.with_suffix(".pose"), components, pixels, size=SIZE)


WRITERS: dict[str, Write] = {
    "mediapipe_holistic": write_npz,
    "mediapipe_holistic, many": write_many,
    "mediapipe_tasks": write_results,
    "pose_pickle": write_openhands,
    "wide_frames": write_wide,
    "pose_format": write_pose,
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("visibility", [1.0, 1.3, 60.0])
def test_mediapipes_visibilities_end_at_1(tmp_path: Path, form: str, visibility: float) -> None:
    points = holistic_keypoints(1, 8)[0]
    points[:, :33, 2] = visibility
    result = read(WRITERS[form](tmp_path / "clip", points), size=SIZE)
    assert result.format == form.split(",")[0]
    found = [(each.kind.code, each.examples[0].split(": ")[1]) for each in result.report.findings()]
    assert found == ([] if visibility == 1 else [("confidences-out-of-range", f"up to {visibility:.1f}")])


def test_peaks_of_heatmaps_may_exceed_1(tmp_path: Path) -> None:
    keypoints = coco_keypoints(8)
    keypoints[:, :, 2] = 1.3
    assert read(written.write_pose(tmp_path / "clip.pose", keypoints)).report.findings() == []
