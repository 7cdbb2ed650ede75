"""Frames that were stored as clips or as people."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import CorpusError
from tests.core.corpora.readers.conftest import read

SIZE = (640, 480)


@pytest.fixture(scope="module")
def signs(shared_data: Path) -> np.ndarray:
    """Real clips (60, 30, 75, 3)."""
    with np.load(shared_data / "signs" / "signs_small.npz") as file:
        points: np.ndarray = file["keypoints"][::4][:60].astype("f4")
    return points


def codes(path: Path) -> list[str]:
    return [found.kind.code for found in read(path, size=SIZE).report.findings()]


def test_right_axes_have_no_finding(saved: Callable[..., Path], signs: np.ndarray) -> None:
    assert "exchanged-axes" not in codes(saved("right.npz", keypoints=signs))
    assert "exchanged-axes" not in codes(saved("single.npz", keypoints=signs[:, 15:16]))


def test_exchanged_axes_are_found(saved: Callable[..., Path], signs: np.ndarray) -> None:
    assert "exchanged-axes" in codes(saved("exchanged.npz", keypoints=signs.swapaxes(0, 1)))


def test_labelled_clips_are_clips(saved: Callable[..., Path], signs: np.ndarray) -> None:
    path = saved("labelled.npz", keypoints=signs[0][:, None], labels=["a"] * 30)
    assert "exchanged-axes" not in codes(path)


def as_coco(points: np.ndarray) -> np.ndarray:
    keypoints = np.zeros((len(points), 133, 3))
    keypoints[:, 91:112], keypoints[:, 112:] = points[:, 33:54], points[:, 54:]
    keypoints[:, [5, 6]] = points[:, [11, 12]]
    return keypoints * (*SIZE, 1)


def test_frames_as_people_are_refused(saved: Callable[..., Path], tmp_path: Path, signs: np.ndarray) -> None:
    frames, people = as_coco(signs[0])[None], as_coco(signs[:, 15])[None]
    people[..., 0] += 400 * np.arange(60)[:, None]
    path = tmp_path / "a.pkl"
    for array, is_refused in ((frames, True), (people, False), (frames[:, :3], False)):
        path.write_bytes(pickle.dumps({"keypoints": array, "width": 640, "height": 480}))
        npz = saved("a.npz", keypoints=array[..., :2], scores=array[..., 2])
        for source in (path, npz):
            if is_refused:
                with pytest.raises(CorpusError, match="one frame of 30 people at one place"):
                    read(source, size=SIZE)
            else:
                read(source, size=SIZE)
