"""MMPose's predictions in JSON, a file per clip."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.formats import mmpose_json
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import PROFILES
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, read

SIZE = (written.WIDTH, written.HEIGHT)


def raw(path: Path, report: ReadReport | None = None) -> RawClip:
    """A file's joints in pixels, before they are normalised."""
    options = ReadOptions(PROFILES["wlasl"], SIZE)
    return mmpose_json.read_clip(ClipFiles("clip", (path,)), options, report or ReadReport())


def test_a_real_file(shared_data: Path) -> None:
    path = shared_data / "formats" / "mmpose_json_133" / "results_clip.json"
    clip = raw(path)
    frames = json.loads(path.read_text())["instance_info"]
    for number in (0, 40, 92):
        (person,) = frames[number]["instances"]
        expected = np.column_stack([person["keypoints"], person["keypoint_scores"]])
        np.testing.assert_array_equal(clip.video.joints[number], expected[list(COCO_WHOLEBODY_JOINTS)])
    assert clip.num_frames == 93


def persons(frame: np.ndarray, sure: float = 1.0) -> dict[str, Any]:
    return {"keypoints": frame[:, :2].tolist(), "keypoint_scores": (frame[:, 2] * sure).tolist()}


def test_all_spellings_mean_the_same(tmp_path: Path) -> None:
    keypoints = coco_keypoints(3)
    of_1x = [{"frame_id": number, "instances": [persons(frame)]} for number, frame in enumerate(keypoints)]
    documents = [
        {"meta_info": {}, "instance_info": of_1x},
        of_1x,
        list(reversed(of_1x)),
        {"predictions": [[persons(frame)] for frame in keypoints]},
        [[{"keypoints": frame.tolist(), "bbox": [0, 0, 1, 1, 1]}] for frame in keypoints],
    ]
    for number, document in enumerate(documents):
        path = written.write_json(tmp_path / f"{number}.json", document)
        np.testing.assert_array_equal(raw(path).video.joints, keypoints[:, list(COCO_WHOLEBODY_JOINTS)])
        assert read(path, size=SIZE).format == "mmpose_json"


def test_the_surest_of_several_people_is_read(tmp_path: Path) -> None:
    (keypoints,) = coco_keypoints(1)
    moved = keypoints * [0.9, 0.9, 1]
    people = [persons(moved, 0.8), persons(keypoints), persons(moved, 0.9)]
    report = ReadReport()
    document = [{"frame_id": 0, "instances": people}, {"frame_id": 1, "instances": []}]
    joints = raw(written.write_json(tmp_path / "clip.json", document), report).video.joints
    np.testing.assert_array_equal(joints[0], keypoints[list(COCO_WHOLEBODY_JOINTS)])
    assert (joints[1] == 0).all(), "nobody is in the second frame"
    assert report.frames_of_several_people == 1


def test_people_of_a_clip_that_is_skipped_are_not_counted(tmp_path: Path) -> None:
    people = [persons(frame) for frame in coco_keypoints(2)]
    written.write_json(tmp_path / "good.json", [{"frame_id": 0, "instances": people}])
    frames = [{"frame_id": 0, "instances": people}, {"frame_id": 1, "instances": [{}]}]
    written.write_json(tmp_path / "odd.json", frames)
    report = read(tmp_path, size=SIZE).report
    assert (report.clips_read, report.num_skipped, report.frames_of_several_people) == (1, 1, 1)


FRAME = coco_keypoints(1)[0]


@pytest.mark.parametrize(
    ("person", "message"),
    [
        ({"keypoints": FRAME[:17].tolist()}, r"got \(17, 3\)|must hold only numbers"),
        (
            {**persons(FRAME), "keypoint_scores": [1.0] * 132},
            r"or 'keypoints' .*; got \(133, 2\) and \(132,\)",
        ),
        ({"keypoints": FRAME[:, :2].tolist()}, "'keypoint_scores' must hold only numbers"),
        ({**persons(FRAME), "keypoints": [["1", "2"]] * 133}, "must hold only numbers"),
        ({**persons(FRAME), "keypoints": [[1, 2], [3]]}, "is damaged"),
        ({"keypoints": (FRAME / [640, 480, 1]).tolist()}, "so they are not in pixels"),
        (["keypoints"], "a person must be an object"),
    ],
)
def test_an_impossible_person_is_refused(tmp_path: Path, person: Any, message: str) -> None:
    document = {"meta_info": {}, "instance_info": [{"frame_id": 0, "instances": [person]}]}
    path = written.write_json(tmp_path / "odd.json", document)
    with pytest.raises(CorpusError, match=message):
        read(path, size=SIZE)


def test_two_frames_of_one_number_are_refused(tmp_path: Path) -> None:
    frames = [{"frame_id": 3, "instances": []}] * 2
    with pytest.raises(CorpusError, match="two frames with the same 'frame_id'"):
        raw(written.write_json(tmp_path / "clip.json", {"meta_info": {}, "instance_info": frames}))


def test_an_impossible_frame_is_refused(tmp_path: Path) -> None:
    document = {"meta_info": {}, "instance_info": [{"frame_id": 1, "instances": "many"}]}
    with pytest.raises(CorpusError, match="a frame must be a list of people"):
        raw(written.write_json(tmp_path / "clip.json", document))


def test_a_folder_of_files(tmp_path: Path) -> None:
    written.write_mmpose(tmp_path / "coffee" / "1.json", coco_keypoints(3))
    written.write_mmpose(tmp_path / "tea" / "2.json", coco_keypoints(4))
    written.write_json(tmp_path / "tea" / "notes.json", {"by": "ann"})
    result = read(tmp_path, size=SIZE)
    assert [(clip.name, clip.label) for clip in result.clips] == [("coffee/1", "coffee"), ("tea/2", "tea")]
    assert "notes.json does not hold MMPose's predictions" in result.report.examples[0]
    with pytest.raises(CorpusError, match="Set image_width and image_height"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([[persons(FRAME)], *[[]] * 50_000], "has 50001 frames; the limit is 50000"),
        ([[persons(FRAME)], [{}] * 1001], "has 1001 people in a frame; the limit is 1000"),
    ],
)
def test_more_than_a_clip_holds_is_refused(tmp_path: Path, document: object, message: str) -> None:
    path = written.write_json(tmp_path / "clip.json", document)
    with pytest.raises(CorpusError, match=rf"clip\.json {message}"):
        read(path, size=SIZE)


@pytest.mark.parametrize("document", [[[], [], []], {"predictions": [[], [], []]}])
def test_a_video_without_people_has_no_hands(tmp_path: Path, document: object) -> None:
    result = read(written.write_json(tmp_path / "clip.json", document), size=SIZE)
    assert result.format == "mmpose_json"
    assert dict(result.report.skipped) == {"no hands": 1}
