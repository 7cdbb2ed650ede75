"""OpenPose's JSON, a file per frame."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.formats import openpose_json
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import PROFILES
from core.pose.skeleton import LEFT_HAND, RIGHT_HAND, TRUNK
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, read

SIZE = (written.WIDTH, written.HEIGHT)


def raw(*files: Path) -> RawClip:
    """Frames' joints in pixels, before they are normalised."""
    options = ReadOptions(PROFILES["wlasl"], SIZE)
    return openpose_json.read_clip(ClipFiles("clip", files), options, ReadReport())


def write_frame(path: Path, *people: dict[str, Any]) -> Path:
    return written.write_json(path, {"version": 1.3, "people": list(people)})


def test_a_real_folder(shared_data: Path) -> None:
    folder = shared_data / "formats" / "openpose_json"
    files = sorted(folder.glob("*.json"))
    joints = raw(*reversed(files)).video.joints
    (person,) = json.loads(files[29].read_text())["people"]
    body, hand = (np.reshape(person[f"{part}_keypoints_2d"], (-1, 3)) for part in ("pose", "hand_left"))
    np.testing.assert_array_equal(joints[29, TRUNK], body[[0, 5, 6, 7, 2, 3, 4]])
    np.testing.assert_array_equal(joints[29, LEFT_HAND], hand)
    right = np.reshape(person["hand_right_keypoints_2d"], (-1, 3))
    np.testing.assert_array_equal(joints[29, RIGHT_HAND], right)


def test_18_points_and_older_names_mean_the_same(tmp_path: Path) -> None:
    (keypoints,) = coco_keypoints(1)
    person = written.openpose_person(keypoints)
    older = written.openpose_person(keypoints, body_points=18)
    older = {name.removesuffix("_2d"): values for name, values in older.items()}
    new, old = (
        raw(write_frame(tmp_path / f"{number}.json", found)).video.joints
        for number, found in enumerate((person, older))
    )
    np.testing.assert_array_equal(new, old)
    np.testing.assert_array_equal(new[0, TRUNK], keypoints[[0, 5, 7, 9, 6, 8, 10]])


def test_the_surest_of_several_people_is_read(tmp_path: Path) -> None:
    (keypoints,) = coco_keypoints(1)
    unsure = written.openpose_person(keypoints * [1, 1, 0.5])
    path = write_frame(tmp_path / "0.json", unsure, written.openpose_person(keypoints), unsure)
    report = ReadReport()
    clip = openpose_json.read_clip(ClipFiles("clip", (path,)), ReadOptions(PROFILES["wlasl"], SIZE), report)
    assert (clip.video.joints[0, :, 2] == 0.9).all()
    assert report.frames_of_several_people == 1


def test_a_frame_without_people_or_hands_is_empty(tmp_path: Path) -> None:
    (keypoints,) = coco_keypoints(1)
    without = {**written.openpose_person(keypoints), "hand_left_keypoints_2d": []}
    del without["hand_right_keypoints_2d"]
    joints = raw(write_frame(tmp_path / "0.json"), write_frame(tmp_path / "1.json", without)).video.joints
    assert (joints[0] == 0).all()
    assert (joints[1, :42] == 0).all()
    assert (joints[1, TRUNK, 2] == 0.9).all()


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 2, 100):
        keypoints = coco_keypoints(1)[0]
        keypoints[0, :2] = 6.4 * number, 100
        write_frame(tmp_path / "take" / f"{number}.json", written.openpose_person(keypoints))
    (clip,) = read(tmp_path, size=SIZE).clips
    np.testing.assert_allclose(clip.clip.points[:, 42, 0], [0.02, 0.09, 0.1, 1.0], rtol=1e-6)


def names_and_labels(folder: Path) -> list[tuple[str, str | None]]:
    return [(clip.name, clip.label) for clip in read(folder, size=SIZE).clips]


def test_folders_of_frames_are_clips_below_their_sign(tmp_path: Path) -> None:
    for clip in ("coffee/1", "coffee/2", "tea/1"):
        written.write_openpose(tmp_path / clip, coco_keypoints(2), prefix="video_")
    assert names_and_labels(tmp_path) == [("coffee/1", "coffee"), ("coffee/2", "coffee"), ("tea/1", "tea")]


def test_frames_in_one_folder_are_grouped_by_name(tmp_path: Path) -> None:
    for clip in ("coffee_07", "tea_08"):
        written.write_openpose(tmp_path, coco_keypoints(2), prefix=f"{clip}_")
    assert names_and_labels(tmp_path) == [("coffee_07", None), ("tea_08", None)]


def test_frames_side_by_side_below_their_sign(tmp_path: Path) -> None:
    for clip in ("coffee/a", "coffee/b", "tea/c"):
        written.write_openpose(tmp_path / Path(clip).parent, coco_keypoints(2), prefix=f"{Path(clip).name}_")
    assert names_and_labels(tmp_path) == [("coffee/a", "coffee"), ("coffee/b", "coffee"), ("tea/c", "tea")]


@pytest.mark.parametrize("prefix", ["", "video_"])
@pytest.mark.parametrize("stray", ["meta.json", "coffee/1/meta.json"])
def test_json_without_a_frame_number_is_ignored(tmp_path: Path, prefix: str, stray: str) -> None:
    for clip in ("coffee/1", "coffee/2", "tea/1"):
        written.write_openpose(tmp_path / clip, coco_keypoints(2), prefix=prefix)
    written.write_json(tmp_path / stray, {"fps": 25})
    assert names_and_labels(tmp_path) == [("coffee/1", "coffee"), ("coffee/2", "coffee"), ("tea/1", "tea")]
    assert read(tmp_path, size=SIZE).report.notes == [
        "JSON files without a frame number at the end of the name were not read."
    ]


def test_a_folder_without_frame_numbers_is_refused(tmp_path: Path) -> None:
    write_frame(tmp_path / "first.json", PERSON)
    with pytest.raises(CorpusError, match=r"first\.json has no frame number in its name"):
        read(tmp_path, size=SIZE)


def test_a_missing_frame_size_is_refused(shared_data: Path) -> None:
    with pytest.raises(CorpusError, match="Set image_width and image_height"):
        read(shared_data / "formats" / "openpose_json")


def test_a_single_frame_is_refused(shared_data: Path) -> None:
    with pytest.raises(CorpusError, match=r"is a single frame\. To import openpose_json, give a folder"):
        read(shared_data / "formats" / "openpose_json" / "clip_000000000000_keypoints.json", size=SIZE)


PERSON = written.openpose_person(coco_keypoints(1)[0])


@pytest.mark.parametrize(
    ("person", "message"),
    [
        ({**PERSON, "pose_keypoints_2d": [0.5] * 45}, r"75 or 54 numbers .* got 45"),
        ({**PERSON, "hand_left_keypoints_2d": [0.5] * 62}, r"63 numbers .* got 62"),
        ({**PERSON, "pose_keypoints_2d": ["1"] * 75}, "must hold only numbers"),
        ({**PERSON, "pose_keypoints_2d": [[1, 2, 3]] * 25}, "75 or 54 numbers"),
        ({**PERSON, "pose_keypoints_2d": [None] * 75}, "must hold only numbers"),
        ({**PERSON, "pose_keypoints_2d": [[1], 2]}, "is damaged"),
        ({**PERSON, "pose_keypoints_2d": {"0": 1}}, "must hold only numbers"),
        ({**PERSON, "hand_right_keypoints_2d": [10**400] * 63}, "must hold only numbers"),
        ([], "must be a list of objects"),
        (
            {"pose_keypoints_2d": [0.5] * 75, "hand_left_keypoints_2d": [0.5] * 63},
            "so they are not in pixels",
        ),
    ],
)
def test_a_clip_with_an_impossible_frame_is_skipped(tmp_path: Path, person: Any, message: str) -> None:
    written.write_openpose(tmp_path / "tea" / "good", coco_keypoints(2))
    write_frame(tmp_path / "tea" / "odd" / "0.json", person)
    result = read(tmp_path, size=SIZE)
    assert [clip.name for clip in result.clips] == ["tea/good"]
    assert dict(result.report.skipped) == {"unreadable": 1}
    with pytest.raises(CorpusError, match=message):
        raise CorpusError(result.report.examples[0])


def test_numbers_beyond_all_bounds_are_missing_points(tmp_path: Path) -> None:
    person = json.dumps(PERSON)
    first = str(PERSON["pose_keypoints_2d"][0])
    for number, value in enumerate(("1e400", "NaN", "-Infinity", "1e300")):
        content = f'{{"people": [{person.replace(first, value, 1)}]}}'
        (tmp_path / f"{number}.json").write_text(content)
    (clip,) = read(tmp_path, size=SIZE).clips
    assert (clip.clip.points[:, 42] == 0).all()
    assert not clip.clip.visible[:, 42].any()
    assert np.isfinite(clip.clip.points).all()


def test_more_people_than_a_picture_holds_are_refused(tmp_path: Path) -> None:
    path = write_frame(tmp_path / "0.json", *[{}] * 1001)
    with pytest.raises(CorpusError, match=r"0\.json has 1001 people in a frame; the limit is 1000"):
        raw(path)


def test_more_frames_than_a_clip_holds_are_refused_unread(tmp_path: Path) -> None:
    frames = [tmp_path / f"{number}.json" for number in range(50_001)]
    with pytest.raises(CorpusError, match="has 50001 frames; the limit is 50000"):
        raw(*frames)
