"""Whether keypoints are in pixels is decided by all frames, though mostly the first one tells."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.corpora.readers.checks.pixels import check_pixels
from core.errors import CorpusError
from tests.core.corpora.readers.conftest import coco_keypoints, read

SMALL, LARGE, UNKNOWN = (3.0, -4.0, 1.0), (5.0, 200.0, 1.0), (np.nan, 900.0, 1.0)
HIDDEN = (900.0, 900.0, 0.0)


def frames(*points: tuple[float, float, float]) -> np.ndarray:
    """One frame of each point, beside one in the corner."""
    return np.array([[point, (0.0, 0.0, 1.0)] for point in points]).reshape(-1, 2, 3)


@pytest.mark.parametrize("points", [(LARGE,), (SMALL, LARGE), (HIDDEN, UNKNOWN, LARGE), ()])
def test_one_large_coordinate_in_any_frame_is_enough(points: tuple[tuple[float, float, float], ...]) -> None:
    check_pixels(frames(*points), Path("clip.npz"))


@pytest.mark.parametrize("points", [(SMALL,), (HIDDEN, SMALL), (UNKNOWN, SMALL, HIDDEN)])
def test_only_known_points_count(points: tuple[tuple[float, float, float], ...]) -> None:
    with pytest.raises(CorpusError, match=r"clip\.npz: x and y are at most 4, so they are not in pixels"):
        check_pixels(frames(*points), Path("clip.npz"))


def test_a_clip_without_any_confidence_is_not_judged() -> None:
    check_pixels(frames(SMALL) * (1, 1, 0), Path("clip.npz"))


@pytest.mark.parametrize("kind", ["u1", "u2", "u8", "i1", "i2", "f2", "f4"])
@pytest.mark.parametrize("many", [False, True])
def test_numbers_of_any_type_are_read(saved: Callable[..., Path], kind: str, many: bool) -> None:
    keypoints = coco_keypoints(20)
    keypoints[:, :, :2] /= 4
    keypoints = keypoints.round().astype(kind)
    offsets = {"offsets": [0, 20]} if many else {}
    clips = [
        read(saved("clip.npz", keypoints=each, width=160, height=120, **offsets)).clips[0].clip
        for each in (keypoints, keypoints.astype("f8"))
    ]
    np.testing.assert_array_equal(clips[0].points, clips[1].points)


@pytest.mark.parametrize("kind", ["u1", "i1"])
def test_small_whole_numbers_are_not_pixels(kind: str) -> None:
    lowest = np.full((1, 2, 3), 1, kind)
    with pytest.raises(CorpusError, match="x and y are at most 1, so they are not in pixels"):
        check_pixels(lowest, Path("clip.npz"))
    check_pixels(np.array([[(-128, 0, 1), (0, 0, 1)]], "i1"), Path("clip.npz"))
