"""MediaPipe Holistic in one `.npz`."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.corpora.readers.formats.mediapipe_points import as_coco
from core.errors import CorpusError
from tests.core.corpora.readers.conftest import holistic_keypoints, read

Save = Callable[..., Path]


def test_real_signers(shared_data: Path) -> None:
    result = read(shared_data / "signs" / "signs_small.npz", size=(640, 480))
    assert result.format == "mediapipe_holistic"
    assert result.report.clips_read + result.report.num_skipped == 300
    assert {clip.signer for clip in result.clips} == {"s1", "s2", "s3"}
    with_hands = Counter(clip.label for clip in result.clips)
    del with_hands["-"]  # idle: the hands are mostly out of the picture
    assert len(with_hands) == 9
    assert min(with_hands.values()) >= 29
    assert all(np.isfinite(clip.clip.points).all() for clip in result.clips)
    assert result.report.notes == []


def test_points_go_where_coco_has_them() -> None:
    """Each point's x is its number in its own list, so that it can be told apart."""
    pose, left, right = (np.zeros((1, count, 3)) for count in (33, 21, 21))
    for offset, points in ((0, pose), (100, left), (200, right)):
        points[0, :, 0] = offset + np.arange(points.shape[1])
        points[..., 2] = 1
    coco = as_coco(pose, left, right, (10, 10))[0, :, 0] / 10
    assert coco[[0, 5, 7, 9, 6, 8, 10]].tolist() == [0, 11, 13, 15, 12, 14, 16]
    assert coco[91:112].tolist() == list(range(100, 121))
    assert coco[112:133].tolist() == list(range(200, 221))


def test_the_frame_size_sets_the_aspect(saved: Save) -> None:
    path = saved("signs.npz", keypoints=holistic_keypoints(2, 4), labels=[3, 4])
    square, wide = read(path), read(path, size=(1280, 720))
    assert "square frames" in square.report.notes[0]
    assert wide.report.notes == []
    assert [clip.label for clip in wide.clips] == ["3", "4"]
    np.testing.assert_allclose(
        square.clips[0].clip.points[:, 42:], wide.clips[0].clip.points[:, 42:], rtol=1e-6
    )
    assert not np.allclose(square.clips[0].clip.points[:, :42], wide.clips[0].clip.points[:, :42], atol=0.01)


@pytest.mark.parametrize("missing", [0.0, np.nan, np.inf, -np.inf])
def test_a_hand_that_is_zero_or_no_number_is_missing(saved: Save, missing: float) -> None:
    keypoints = holistic_keypoints(1, 4)
    keypoints[..., 11:17, 2] = 0.1  # nothing can be extrapolated from the arms
    keypoints[0, 1, 33:54, :2] = missing
    keypoints[0, 2, 33:75] = missing
    result = read(saved("signs.npz", keypoints=keypoints))
    visible = result.clips[0].clip.visible
    assert result.report.frames_without_hands == 1
    assert visible[:, 0].tolist() == [True, True, True]
    assert visible[:, 21].tolist() == [True, False, True]
    assert (result.clips[0].clip.points[1, 21:42] == 0).all()


def test_points_far_outside_the_frame_are_defined(saved: Save) -> None:
    keypoints = holistic_keypoints(3, 4)
    keypoints[0, ..., 0] += 1.5
    keypoints[1, ..., :2] *= -1
    keypoints[2, ..., 0] *= 1e300
    result = read(saved("signs.npz", keypoints=keypoints))
    assert all(np.isfinite(clip.clip.points).all() for clip in result.clips)
    assert dict(result.report.skipped) == {"no hands": 1}


def test_another_number_of_points_is_refused(saved: Save) -> None:
    with pytest.raises(CorpusError, match=r"\(clips, frames, 75, 3\); got float64 \(1, 2, 54, 3\)"):
        read(saved("signs.npz", keypoints=np.zeros((1, 2, 54, 3))))


@pytest.mark.parametrize("in_one_file", [True, False])
def test_pixels_are_refused(saved: Save, in_one_file: bool) -> None:
    keypoints = holistic_keypoints(2, 4)
    keypoints[0, ..., :2] *= (640, 480)
    if in_one_file:
        result = read(saved("signs.npz", keypoints=keypoints, names=["pixels", "fractions"]))
        assert [clip.name for clip in result.clips] == ["fractions"]
        assert dict(result.report.skipped) == {"unreadable": 1}
        assert "signs.npz: half of all points have coordinates above" in result.report.examples[0]
    else:
        with pytest.raises(
            CorpusError, match=r"signs\.npz: half of all points .* not fractions of the frame"
        ):
            read(saved("signs.npz", keypoints=keypoints[0]))


def test_pixels_that_were_not_found_are_no_pixels(saved: Save) -> None:
    keypoints = holistic_keypoints(1, 4)[0]
    keypoints[:, :50] *= (640, 480, 0)
    assert len(read(saved("signs.npz", keypoints=keypoints), size=(640, 480)).clips) == 1
