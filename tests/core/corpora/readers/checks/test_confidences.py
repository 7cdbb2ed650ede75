"""Confidences without an upper limit are said, whatever format they come in; those of heatmaps are not."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, read

Save = Callable[..., Path]
SIZE = (written.WIDTH, written.HEIGHT)


def scored(least: float, most: float) -> np.ndarray:
    """A recording whose confidences are spread evenly from `least` to `most`."""
    keypoints = coco_keypoints(6)
    keypoints[:, :, 2] = np.linspace(least, most, 133)
    return keypoints


def as_npz(folder: Path, keypoints: np.ndarray) -> Path:
    path = folder / "clip.npz"
    np.savez(path, keypoints=keypoints[:, :, :2], scores=keypoints[:, :, 2])
    return path


def as_pickle(folder: Path, keypoints: np.ndarray) -> Path:
    path = folder / "clip.pkl"
    path.write_bytes(pickle.dumps({"keypoints": keypoints[:, :, :2], "scores": keypoints[:, :, 2]}))
    return path


def as_mmpose(folder: Path, keypoints: np.ndarray) -> Path:
    return written.write_mmpose(folder / "clip.json", keypoints)


@pytest.mark.parametrize("write", [as_npz, as_pickle, as_mmpose])
def test_unbounded_scores_are_reported(tmp_path: Path, write: Callable[..., Path]) -> None:
    (note,) = read(write(tmp_path, scored(0.8, 5.3)), size=SIZE).report.all_notes()
    assert note.startswith(
        "Confidences of 1 clip are far above 1 (for example clip: up to 5.3), as those of RTMW"
    )
    assert "Scale the confidences so that the lowest one you trust is 0.5" in note


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (0.1, 1.25), (0.3, 1.5)])
def test_heatmap_scores_give_no_note(tmp_path: Path, least: float, most: float) -> None:
    assert read(as_npz(tmp_path, scored(least, most)), size=SIZE).report.all_notes() == []


def test_a_few_outliers_give_no_note(tmp_path: Path) -> None:
    keypoints = scored(0.1, 0.9)
    keypoints[:, 91:93, 2] = 7
    assert read(as_npz(tmp_path, keypoints), size=SIZE).report.all_notes() == []


def test_missing_points_do_not_hide_it(saved: Save) -> None:
    keypoints = scored(2, 5)
    keypoints[:, 5:112] = 0
    keypoints[0, 0, 2], keypoints[0, 120, 2] = np.nan, np.inf
    (note,) = read(saved("clip.npz", keypoints=keypoints, width=640, height=480)).report.all_notes()
    assert "up to 5.0" in note


@pytest.mark.parametrize(
    "source",
    ["formats/pose_format", "formats/openpose_json", "formats/mmpose_json_133", "signs/signs_small.npz"],
)
def test_real_recordings_give_no_note(shared_data: Path, source: str) -> None:
    path = shared_data / source
    path = path / "results_clip.json" if source.endswith("_133") else path
    assert not any("Confidences" in note for note in read(path, size=(1000, 1000)).report.all_notes())
