"""Normalisation against the released code's own outputs, and its properties."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from core.errors import PoseError
from core.pose.normalise import PROFILES, JoinedVideos, Video, normalise, normalise_videos, subsample_stride
from core.pose.skeleton import HANDS, LEFT_HAND, RIGHT_HAND, TRUNK

GOLDEN = {"wlasl_640x480": "wlasl", "wlasl_long": "wlasl", "msasl_square": "msasl", "slr500": "slr500"}
WLASL = PROFILES["wlasl"]
RAW_RIGHT, RAW_LEFT = slice(112, 133), slice(91, 112)


def raw_video(num_frames: int = 5, seed: int = 0) -> np.ndarray:
    """Both hands spread over 100 pixels around the middle of 640 x 480, everything sure."""
    generator = np.random.default_rng(seed)
    raw = np.zeros((num_frames, 133, 3))
    raw[:, :, :2] = generator.uniform((270, 190), (370, 290), (num_frames, 133, 2))
    raw[:, :, 2] = 0.9
    return raw


def normalised(raw: np.ndarray, **changes: Any) -> Any:
    return normalise(raw, **{"width": 640, "height": 480, "profile": WLASL, **changes})


@pytest.mark.parametrize("video", GOLDEN)
def test_equals_the_released_code(shared_data: Path, video: str) -> None:
    golden = np.load(shared_data / "golden" / "normalise.npz")
    width, height = golden[f"{video}/size"].tolist()

    result = normalise(
        golden[f"{video}/raw"],
        width=width,
        height=height,
        profile=PROFILES[GOLDEN[video]],  # type: ignore[index]
    )

    np.testing.assert_array_equal(result.kept_frames, golden[f"{video}/kept_frames"])
    np.testing.assert_allclose(result.clip.points, golden[f"{video}/normalised"], atol=1e-5, rtol=0)
    np.testing.assert_array_equal(result.clip.visible[:, HANDS], golden[f"{video}/visible"])


@settings(deadline=None, max_examples=60)
@given(
    raw=npst.arrays(
        st.sampled_from([np.float32, np.float64, np.float16]),
        st.tuples(st.integers(1, 3), st.just(133), st.just(3)),
        elements=st.floats(width=16, allow_nan=True, allow_infinity=True),
        fill=st.floats(0, 1, width=16),
    ),
    size=st.tuples(st.integers(2, 2000), st.integers(2, 2000)),
    profile=st.sampled_from(sorted(PROFILES)),
)
def test_any_numbers_give_a_finite_clip_or_a_pose_error(raw: np.ndarray, size: Any, profile: Any) -> None:
    try:
        result = normalise(raw, width=size[0], height=size[1], profile=PROFILES[profile])
    except PoseError as error:
        assert "no visible hands" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert np.isfinite(result.clip.points).all()
    assert len(result.clip) == len(result.kept_frames)


@settings(deadline=None, max_examples=30)
@given(shift=st.tuples(st.integers(-150, 150), st.integers(-60, 60)), seed=st.integers(0, 99))
def test_hands_do_not_depend_on_where_in_the_image_they_are(shift: tuple[int, int], seed: int) -> None:
    raw = raw_video(seed=seed)
    moved = raw + np.array([*shift, 0.0])

    here, there = normalised(raw).clip, normalised(moved).clip

    tolerance = 1.5 / 100  # the box's corner is a whole pixel, rounded half to even
    np.testing.assert_allclose(here.points[:, HANDS], there.points[:, HANDS], atol=tolerance)
    np.testing.assert_allclose(
        there.points[:, TRUNK] - here.points[:, TRUNK],
        np.broadcast_to(np.array(shift) / (640, 480), (5, 7, 2)),
        atol=1e-6,
    )


def test_mirrored_hands_look_alike() -> None:
    raw = raw_video()
    raw[:, RAW_LEFT] = raw[:, RAW_RIGHT]
    raw[:, RAW_LEFT, 0] = 640 - raw[:, RAW_LEFT, 0]
    points = normalised(raw).clip.points
    np.testing.assert_allclose(points[:, LEFT_HAND], points[:, RIGHT_HAND], atol=0.01)


def test_one_hand_is_enough_and_the_other_is_zero_and_unseen() -> None:
    raw = raw_video()
    raw[:, RAW_LEFT, 2] = 0
    raw[:, [5, 7, 9], 2] = 0  # nor can it be extrapolated from the arm
    clip = normalised(raw).clip
    assert (clip.points[:, LEFT_HAND] == 0).all()
    assert not clip.visible[:, LEFT_HAND].any()
    assert clip.visible[:, RIGHT_HAND].all()


def test_a_hand_of_one_single_place_is_finite() -> None:
    raw = raw_video()
    raw[:, RAW_RIGHT, :2] = (300.25, 200.75)
    points = normalised(raw).clip.points[:, RIGHT_HAND]
    assert ((points >= 0) & (points <= 1)).all()


def test_a_hand_as_large_as_the_image_gets_a_box_that_spans_the_short_side() -> None:
    raw = raw_video(1)
    raw[:, RAW_RIGHT, :2] = np.linspace((10, 20), (630, 460), 21)
    points = normalised(raw).clip.points[0, RIGHT_HAND]
    np.testing.assert_allclose(points[[0, -1], 1], [20 / 479, 460 / 479], atol=1e-6)


def test_a_box_is_shifted_into_the_image_not_shrunk() -> None:
    raw = raw_video(1)
    raw[:, RAW_RIGHT, :2] = np.linspace((0, 0), (100, 100), 21)
    points = normalised(raw).clip.points[0, RIGHT_HAND]
    np.testing.assert_allclose(points[-1], [100 / 220, 100 / 220], atol=1e-6)


def test_frames_without_hands_are_dropped_and_the_kept_ones_named() -> None:
    raw = raw_video(6)
    raw[[1, 4], :, 2] = 0
    assert normalised(raw).kept_frames.tolist() == [0, 2, 3, 5]


def test_an_arm_keeps_a_frame_only_above_the_margin_and_only_where_the_profile_asks() -> None:
    raw = raw_video(2)
    raw[:, 91:, 2] = 0
    raw[1, [9, 10], 1] = 480 - 50
    assert normalised(raw).kept_frames.tolist() == [0]
    assert normalised(raw, profile=PROFILES["slr500"]).kept_frames.tolist() == [0, 1]


@pytest.mark.parametrize(("num_frames", "stride"), [(1, 1), (150, 1), (151, 2), (300, 2), (301, 3), (320, 3)])
def test_long_videos_are_subsampled(num_frames: int, stride: int) -> None:
    assert subsample_stride(num_frames) == stride
    kept = normalised(raw_video(num_frames)).kept_frames
    assert kept.tolist() == list(range(0, num_frames, stride))


@pytest.mark.parametrize("width", [1, 0, -5])
def test_refuses_an_image_without_pixels(width: int) -> None:
    with pytest.raises(PoseError, match="at least 2 x 2"):
        normalised(raw_video(), width=width)


@pytest.mark.parametrize("shape", [(5, 132, 3), (133, 3), (5, 133, 2)])
def test_refuses_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(PoseError, match="133"):
        normalised(np.zeros(shape))


def test_refuses_numbers_that_are_not_real() -> None:
    with pytest.raises(PoseError, match="complex"):
        normalised(raw_video().astype(complex))


@pytest.mark.parametrize("num_frames", [0, 4])
def test_a_clip_without_hands_says_so(num_frames: int) -> None:
    with pytest.raises(PoseError, match=f"no visible hands: none of its {num_frames} frames"):
        normalised(np.zeros((num_frames, 133, 3)))


@settings(deadline=None, max_examples=30)
@given(
    videos=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 99), st.sampled_from([(640, 480), (256, 256), (300, 2)])),
        min_size=1,
        max_size=5,
    ),
    lost=st.sets(st.integers(0, 20)),
)
def test_many_videos_together_are_each_as_alone(videos: list[Any], lost: set[int]) -> None:
    raws = [raw_video(num_frames, seed) for num_frames, seed, _ in videos]
    for number, raw in enumerate(raws):
        for frame in range(len(raw)):
            if number * 5 + frame in lost:
                raw[frame, :, 2] = 0
    sizes = [{"width": width, "height": height} for _, _, (width, height) in videos]
    joined = JoinedVideos.of([Video.of(raw, **size) for raw, size in zip(raws, sizes, strict=True)])
    together = normalise_videos(joined, WLASL)
    for raw, size, result in zip(raws, sizes, together, strict=True):
        if isinstance(result, PoseError):
            with pytest.raises(PoseError, match="no visible hands") as caught:
                normalise(raw, **size, profile=WLASL)
            assert str(result) == str(caught.value)
            continue
        alone = normalise(raw, **size, profile=WLASL)
        np.testing.assert_array_equal(result.clip.points, alone.clip.points)
        np.testing.assert_array_equal(result.clip.visible, alone.clip.visible)
        np.testing.assert_array_equal(result.kept_frames, alone.kept_frames)
