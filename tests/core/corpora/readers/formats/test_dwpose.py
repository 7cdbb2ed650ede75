"""DWPose's `.npz`, in both published forms: 128 points of one person, 134 points of people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers.benchmarks.conftest import videos as videos
from tests.core.corpora.readers.conftest import read

Save = Callable[..., Path]
SIZE = (640, 480)
COCO_OF_BODY = {0: 0, 2: 6, 3: 8, 4: 10, 5: 5, 6: 7, 7: 9}
"""COCO-18's point to COCO-WholeBody's: nose, right arm, left arm."""


def points_of(video: np.ndarray, *, first_hand: int, num_points: int) -> np.ndarray:
    """A video (T, 133, 3) in the order of DWPose; all other points lie in the face."""
    points = np.repeat(video[:, :1], num_points, axis=1)
    points[:, :, 0] += 3
    for body, coco in COCO_OF_BODY.items():
        points[:, body] = video[:, coco]
    for joint in range(21):
        points[:, first_hand + joint] = video[:, 91 + joint]
        points[:, first_hand + 21 + joint] = video[:, 112 + joint]
    return points


def one_person(video: np.ndarray, *, first_hand: int = 18, **more: Any) -> dict[str, Any]:
    points = points_of(video, first_hand=first_hand, num_points=128)
    facts = {"detected": np.ones(len(video), "i1"), "frame_size": np.array(SIZE, "i4"), "fps": np.float32(25)}
    return {"all_xy": points[:, :, :2], "all_score": points[:, :, 2], **facts, **more}


def people(video: np.ndarray, **more: Any) -> dict[str, Any]:
    points = points_of(video, first_hand=92, num_points=134)[:, None]
    return {"frames": points[..., :2], "confidences": points[..., 2], **more}


def check(path: Path, video: np.ndarray, size: tuple[int, int] | None = None) -> Any:
    """Read the only clip, and compare it with the video itself."""
    result = read(path, size=size)
    wanted = normalise(video, width=640, height=480, profile=PROFILES["wlasl"]).clip
    (source,) = result.clips
    assert result.format == "dwpose"
    assert not result.report.findings()
    np.testing.assert_allclose(source.clip.points, wanted.points, atol=1e-6)
    np.testing.assert_array_equal(source.clip.visible, wanted.visible)
    return result


@pytest.mark.parametrize("first_hand", [18, 86])
def test_the_hands_are_found_where_they_begin_at_the_wrists(
    saved: Save, videos: list[np.ndarray], first_hand: int
) -> None:
    for number, video in enumerate(videos):
        path = saved(f"{number}/clip.npz", **one_person(video, first_hand=first_hand))
        result = check(path, video)
    assert result.report.frame_rates == {25: 1}


def test_half_precision_is_read(saved: Save, videos: list[np.ndarray]) -> None:
    rounded = videos[0].astype("f2")
    check(saved("clip.npz", **one_person(rounded)), rounded.astype("f8"))


def test_fractions_are_multiplied_by_the_frame_size(saved: Save, videos: list[np.ndarray]) -> None:
    arrays = one_person(videos[0])
    arrays["all_xy"] = arrays["all_xy"] / SIZE
    check(saved("clip.npz", **arrays), videos[0])


def test_frames_without_a_person_are_left_out(saved: Save, videos: list[np.ndarray]) -> None:
    detected = np.ones(len(videos[0]), "i1")
    detected[4] = 0
    video = videos[0].copy()
    video[4] = 0
    check(saved("clip.npz", **one_person(videos[0], detected=detected)), video)


def test_a_size_in_the_other_order_is_noticed(saved: Save) -> None:
    generator = np.random.default_rng(0)
    video = np.full((8, 133, 3), 0.9)
    video[:, :, :2] = generator.uniform((500, 100), (630, 300), (8, 133, 2))  # right of a height of 480
    video[:, [9, 10]] = video[:, [91, 112]]
    video[:, [5, 6], :2] = (600, 150), (530, 150)
    result = check(saved("clip.npz", **one_person(video, frame_size=np.array((480, 640)))), video)
    assert any("was read as (height, width)" in note for note in result.report.notes)


def test_people_of_134_points(saved: Save, videos: list[np.ndarray]) -> None:
    arrays = people(videos[0])
    other = arrays["frames"] + 200
    frames = np.concatenate([arrays["frames"], other], axis=1)
    confidences = np.concatenate([arrays["confidences"], arrays["confidences"] / 2], axis=1)
    check(saved("clip.npz", frames=frames, confidences=confidences), videos[0], SIZE)


def test_a_person_of_unknown_points_is_left_out(saved: Save, videos: list[np.ndarray]) -> None:
    arrays = people(videos[0])
    arrays = {name: np.concatenate([array, array * np.nan], axis=1) for name, array in arrays.items()}
    arrays["frames"][2] = arrays["confidences"][2] = np.nan
    video = videos[0].copy()
    video[2] = 0
    assert check(saved("clip.npz", **arrays), video, SIZE).report.frames_of_several_people == 0


def test_without_confidences_known_points_are_sure(saved: Save, videos: list[np.ndarray]) -> None:
    frames = people(videos[0])["frames"]
    frames[2] = np.nan
    video = videos[0].copy()
    video[:, :, 2] = 1
    video[2] = 0
    check(saved("clip.npz", frames=frames), video, SIZE)


def test_134_points_need_a_frame_size(saved: Save, videos: list[np.ndarray]) -> None:
    with pytest.raises(CorpusError, match="does not state the frame width and height"):
        read(saved("clip.npz", **people(videos[0])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"all_xy": np.zeros((3, 133, 2))}, r"'all_xy' must be numbers of shape \(frames, 128, 2\)"),
        ({"all_score": np.zeros((3, 127))}, "'all_score' must be numbers of shape"),
        ({"all_xy": np.full((3, 128, 2), "x")}, "must be numbers"),
        ({"detected": np.zeros(2)}, "'detected' must be one number per frame"),
        ({"frame_size": np.array([640])}, "'frame_size' must be two numbers"),
        ({"frame_size": np.array([0, 480])}, "'frame_size' must be between 2 and 1000000"),
        ({"frame_size": np.array([np.nan, 480])}, "'frame_size' must be between 2 and 1000000"),
        ({"fps": np.array([25, 30])}, "'fps' must be one number"),
    ],
)
def test_other_arrays_are_refused(
    saved: Save, videos: list[np.ndarray], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        read(saved("clip.npz", **{**one_person(videos[0][:3]), **change}))


def test_exchanged_hands_are_a_finding(saved: Save, videos: list[np.ndarray]) -> None:
    arrays = one_person(videos[0])
    order = [*range(18), *range(39, 60), *range(18, 39), *range(60, 128)]
    arrays |= {name: np.ascontiguousarray(arrays[name][:, order]) for name in ("all_xy", "all_score")}
    findings = read(saved("clip.npz", **arrays)).report.findings()
    assert [found.kind.code for found in findings] == ["exchanged-hands"]


def test_the_size_of_the_options_comes_first(saved: Save, videos: list[np.ndarray]) -> None:
    path = saved("clip.npz", **one_person(videos[0], frame_size=np.array((1280, 960))))
    (clip,) = read(path, size=SIZE).clips
    (expected,) = read(saved("right.npz", **one_person(videos[0], frame_size=np.array(SIZE)))).clips
    np.testing.assert_array_equal(clip.clip.points, expected.clip.points)
    (found,) = read(path, size=SIZE).report.findings()
    assert (found.kind.code, found.examples) == ("other-frame-size", ["clip: 1280 x 960"])


@pytest.mark.parametrize("stated", [(640, 480), (480, 640)])
def test_of_fractions_only_the_options_say_which_number_is_the_width(
    saved: Save, videos: list[np.ndarray], stated: tuple[int, int]
) -> None:
    video = videos[0]
    facts = one_person(video / (*SIZE, 1), frame_size=np.array(stated))
    path = saved("clip.npz", **facts)
    (note,) = read(path).report.notes
    assert note.startswith(
        f"'frame_size' was read as (width, height), for example {stated[0]} x {stated[1]}."
    )
    assert not any("so the points do not tell" in each for each in check(path, video, size=SIZE).report.notes)
    square = one_person(video / (500, 500, 1), frame_size=np.array((500, 500)))
    result = read(saved("square.npz", **square))
    (clip,) = result.clips
    assert result.report.notes == []
    wanted = normalise(video, width=500, height=500, profile=PROFILES["wlasl"]).clip
    np.testing.assert_allclose(clip.clip.points, wanted.points, atol=1e-6)
