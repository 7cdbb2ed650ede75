"""What MediaPipe's landmarkers return, as JSON."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.formats import mediapipe_tasks
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import PROFILES
from core.pose.skeleton import LEFT_HAND, RIGHT_HAND, TRUNK
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import holistic_keypoints, read

SIZE = (written.WIDTH, written.HEIGHT)
POINTS = holistic_keypoints(1, 4)[0]


def raw(path: Path, size: tuple[int, int] | None = SIZE) -> RawClip:
    """A file's joints in pixels, before they are normalised."""
    options = ReadOptions(PROFILES["wlasl"], size)
    return mediapipe_tasks.read_clip(ClipFiles("clip", (path,)), options, ReadReport())


def as_hands(frame: np.ndarray, *, camel: bool) -> dict[str, Any]:
    """The same frame as PoseLandmarker and HandLandmarker give it, right hand first."""
    hands = [written.landmarks(frame[54:]), written.landmarks(frame[33:54])]
    pose = [written.landmarks(frame[:33])]
    if camel:
        sides = [[{"categoryName": side, "score": 0.9}] for side in ("Right", "Left")]
        return {"landmarks": hands, "handednesses": sides, "poseLandmarks": pose}
    sides = [[{"category_name": side, "score": 0.9}] for side in ("Right", "Left")]
    return {"hand_landmarks": hands, "handedness": sides, "pose_landmarks": pose}


def as_buffer(frame: np.ndarray) -> dict[str, Any]:
    """The same frame as a protocol buffer of the older Holistic solution writes itself."""
    return {name: {"landmark": points} for name, points in written.python_frame(frame).items()}


@pytest.mark.parametrize(
    "frame",
    [
        written.python_frame,
        written.javascript_frame,
        as_buffer,
        lambda frame: as_hands(frame, camel=True),
        lambda frame: as_hands(frame, camel=False),
    ],
)
def test_all_spellings_mean_the_same(tmp_path: Path, frame: Any) -> None:
    joints = raw(written.write_tasks(tmp_path / "clip.json", POINTS, frame=frame)).video.joints
    scaled = POINTS * [*SIZE, 1]
    np.testing.assert_allclose(joints[:, LEFT_HAND], scaled[:, 33:54])
    np.testing.assert_allclose(joints[:, RIGHT_HAND], scaled[:, 54:])
    np.testing.assert_allclose(joints[:, TRUNK], scaled[:, [0, 11, 13, 15, 12, 14, 16]])


def test_what_was_not_found_is_missing(tmp_path: Path) -> None:
    frames = [
        None,
        {},
        {"pose_landmarks": [], "left_hand_landmarks": None},
        {"poseLandmarks": [[]], "leftHandLandmarks": [[]], "right_hand_landmarks": {"landmark": []}},
        {"landmarks": [[]], "handedness": [[]]},
        written.python_frame(POINTS[0]),
    ]
    joints = raw(written.write_json(tmp_path / "clip.json", frames)).video.joints
    assert (joints[:5] == 0).all()
    assert (joints[5, :, 2] == 1).all()


def test_a_pose_points_visibility_is_its_confidence(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[:, 13, 2] = 0.25
    joints = raw(written.write_tasks(tmp_path / "clip.json", points)).video.joints
    assert (joints[:, TRUNK][:, 2, 2] == 0.25).all()


def test_a_missing_visibility_is_1(tmp_path: Path) -> None:
    frame = written.python_frame(POINTS[0])
    frame["pose_landmarks"][13]["visibility"] = None
    del frame["pose_landmarks"][11]["visibility"]
    joints = raw(written.write_json(tmp_path / "clip.json", [frame])).video.joints
    assert (joints[0, TRUNK][:, 2] == 1).all()


def test_the_surer_of_two_hands_of_one_side_is_read(tmp_path: Path) -> None:
    hands = [written.landmarks(POINTS[0, 33:54]), written.landmarks(POINTS[0, 54:])]
    sides = [[{"categoryName": "Left", "score": score}] for score in (0.6, 0.8)]
    path = written.write_json(tmp_path / "clip.json", [{"landmarks": hands, "handedness": sides}])
    joints = raw(path).video.joints
    np.testing.assert_allclose(joints[0, LEFT_HAND], POINTS[0, 54:] * [*SIZE, 1])
    assert (joints[0, RIGHT_HAND] == 0).all()


def test_a_file_may_state_size_and_frame_rate(tmp_path: Path) -> None:
    frames = [written.python_frame(frame) for frame in POINTS]
    document = {"fps": 29.97, "width": 1920, "height": 1080, "frames": frames}
    result = read(written.write_json(tmp_path / "clip.json", document))
    assert result.report.as_json()["frame_rates"] == {"29.97": 1}
    assert not any("frame size" in note for note in result.report.notes)
    clip = raw(tmp_path / "clip.json", None)
    assert (clip.video.width, clip.video.height) == (1920, 1080)
    plain = read(written.write_json(tmp_path / "plain.json", frames))
    assert any("The frame size is unknown" in note for note in plain.report.notes)


HAND = written.landmarks(POINTS[0, 33:54])


def in_pixels(frame: np.ndarray) -> dict[str, Any]:
    """What somebody scaled by the frame's size before storing it."""
    return written.python_frame(frame * [*SIZE, 1])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"leftHandLandmarks": HAND[:20]}], "must be a list of 21 landmarks; got a list of 20"),
        ([{"leftHandLandmarks": [{**HAND[0], "x": "0.5"}, *HAND[1:]]}], "must hold only numbers"),
        ([{"leftHandLandmarks": [{"x": 1}] * 21}], "must be an object with 'x' and 'y'"),
        ([{"leftHandLandmarks": [7] * 21}], "must be an object with 'x' and 'y'"),
        ([{"leftHandLandmarks": 7}], "must be a list of 21 landmarks; got 7"),
        ([{"leftHandLandmarks": HAND}, 7], "a frame must be an object"),
        ([{"landmarks": [HAND]}], "'handedness' of the same length"),
        ([{"landmarks": [HAND], "handedness": [[{"categoryName": "Up"}]]}], "must be 'Left' or 'Right'"),
        ([{"landmarks": [HAND], "handedness": [[{"categoryName": ["Left"]}]]}], "must be 'Left' or 'Right'"),
        ([{"landmarks": [HAND], "handedness": [[{"categoryName": "Left", "score": 10**400}]]}], "numbers"),
        (
            [{"landmarks": [written.landmarks(POINTS[0, :33])]}],
            "of PoseLandmarker. Rename it to 'poseLandmarks'",
        ),
        ([{"leftHandLandmarks": HAND}, *[None] * 50_000], "has 50001 frames; the limit is 50000"),
        ([in_pixels(POINTS[0])], "not fractions of the frame"),
        ({"frames": [{"leftHandLandmarks": HAND}], "fps": "25"}, "'fps' must be a number"),
        (
            {"frames": [{"leftHandLandmarks": HAND}], "width": -1, "height": 2},
            "between 2 and 1000000 pixels; got -1",
        ),
    ],
)
def test_impossible_results_are_refused(tmp_path: Path, document: object, message: str) -> None:
    path = written.write_json(tmp_path / "odd.json", document)
    with pytest.raises(CorpusError, match=message) as caught:
        read(path, size=SIZE)
    assert "odd.json" in str(caught.value)


def test_a_folder_of_files(tmp_path: Path) -> None:
    for sign in ("coffee", "tea"):
        written.write_tasks(tmp_path / sign / "1.json", POINTS)
    result = read(tmp_path)
    assert result.format == "mediapipe_tasks"
    assert [clip.label for clip in result.clips] == ["coffee", "tea"]


def test_a_file_that_is_refused_leaves_its_folder_readable(tmp_path: Path) -> None:
    written.write_tasks(tmp_path / "a.json", POINTS)
    hands = {"landmarks": [HAND], "handedness": [[{"categoryName": "Left", "score": 10**400}]]}
    written.write_json(tmp_path / "b.json", [hands])
    result = read(tmp_path, size=SIZE)
    assert [clip.name for clip in result.clips] == ["a"]
    assert dict(result.report.skipped) == {"unreadable": 1}


def test_first_frames_may_hold_a_time_alone(tmp_path: Path) -> None:
    frames = [
        {"timestamp": 40 * n, **(written.python_frame(points) if n else {})}
        for n, points in enumerate(POINTS)
    ]
    result = read(written.write_json(tmp_path / "a.json", frames), size=SIZE)
    assert result.format == "mediapipe_tasks"
    assert (result.report.frames_kept, result.report.frames_without_hands) == (len(POINTS) - 1, 1)
