"""The order of a clip's frames: by numbers in names, or by numbers that they state."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.frame_order import files_in_order, order_of
from core.corpora.source import ReadReport
from core.errors import CorpusError
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read
from tests.core.corpora.readers.formats import test_mmpose_json

SIZE = (written.WIDTH, written.HEIGHT)


def expect_same(result: Any, wanted: Any) -> None:
    (found,), (clip,) = result.clips, wanted.clips
    np.testing.assert_array_equal(found.clip.points, clip.clip.points)


@pytest.mark.parametrize(
    "name",
    [
        "{}",
        "frame_{}",
        "frame_{}_of_30",
        "{}_25fps",
        "frame{}_v2",
        "take_3_{:04d}",
        "take1.{}",
        "{0}_at_{0}40ms",
    ],
)
def test_the_number_that_varies_orders_files(name: str) -> None:
    names = [Path(f"{name.format(number)}.npy") for number in range(30)]
    report = ReadReport()
    assert files_in_order(sorted(names, reverse=True), report) == names
    assert report.frames_missing == 0


def test_seconds_order_files(tmp_path: Path) -> None:
    names = [Path(f"{number / 25:.2f}.npy") for number in range(60) if number != 30]
    report = ReadReport()
    assert files_in_order(sorted(names, reverse=True), report) == names
    assert report.frames_missing == 1


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ["c_01.json", "c_01_keypoints.json", "c_02.json"],
            "'c_01.json' and 'c_01_keypoints.json'.*same number",
        ),
        (["7.npy", "07.npy"], "same number"),
        (["1_3.npy", "2_1.npy"], "do not tell the order"),
        (["1_1.npy", "2.npy"], "do not tell the order"),
        (["0.1.npy", "0.12.npy", "0.2.npy"], "do not tell the order"),
        (["1.npy", "x.npy"], "no frame number"),
    ],
)
def test_no_order_is_guessed(names: list[str], reason: str) -> None:
    with pytest.raises(CorpusError, match=reason):
        files_in_order(list(map(Path, names)), ReadReport())


@pytest.mark.parametrize("name", ["frame_id", "Frame", "frameNumber", "timestamp", "Timestamp_ms"])
@pytest.mark.parametrize("convert", [int, float, str])
def test_stated_numbers_order_frames(tmp_path: Path, name: str, convert: Callable[[int], object]) -> None:
    keypoints, points = coco_keypoints(12), holistic_keypoints(1, 12)[0]
    order = np.random.default_rng(0).permutation(12).tolist()
    of_mmpose = [{name: convert(n), "instances": [test_mmpose_json.persons(keypoints[n])]} for n in order]
    path = written.write_json(tmp_path / "mmpose.json", {"meta_info": {}, "instance_info": of_mmpose})
    expect_same(read(path, size=SIZE), read(written.write_mmpose(tmp_path / "m.json", keypoints), size=SIZE))
    of_tasks = [{name: convert(n), **written.python_frame(points[n])} for n in order]
    path = written.write_json(tmp_path / "tasks.json", of_tasks)
    expect_same(read(path, size=SIZE), read(written.write_tasks(tmp_path / "t.json", points), size=SIZE))


@pytest.mark.parametrize(
    ("name", "values", "order"),
    [
        ("frame", [3, 1, 2], [1, 2, 0]),
        ("frame", [1, None, 5], [0, 1, 2]),
        ("timestamp", [0, 0, 40], [0, 1, 2]),
        ("timestamp", [0.08, 0.0, 0.04], [1, 2, 0]),
    ],
)
def test_orders(name: str, values: list[object], order: list[int]) -> None:
    assert order_of(values, name, Path("clip"), ReadReport()) == order


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("frame", [3, None, 2], "got nothing"),
        ("frame", [1, "two", 3], "got 'two'"),
        ("frame", [1, True, 3], "got True"),
        ("frame", [1, float("nan"), 3], "got nan"),
        ("frame", [1, "1" * 9999, 3], "must be a number"),
        ("frame", [1, 2, 2], "two frames with the same 'frame'"),
        ("timestamp", [0, 40, 0, 40], "two frames with the same 'timestamp'"),
    ],
)
def test_numbers_that_do_not_order_are_refused(name: str, values: list[object], reason: str) -> None:
    with pytest.raises(CorpusError, match=reason):
        order_of(values, name, Path("clip"), ReadReport())


def write_frames(folder: Path, keypoints: np.ndarray, name: Callable[[int], str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(keypoints):
        document = json.dumps({"people": [written.openpose_person(frame)]})
        (folder / f"{name(number)}.json").write_text(document)


def test_openpose_frames_named_by_seconds_are_one_clip(tmp_path: Path) -> None:
    keypoints = coco_keypoints(30)
    write_frames(tmp_path / "a" / "book" / "c1", keypoints, lambda number: f"{number / 25:.2f}")
    written.write_openpose(tmp_path / "b" / "book" / "c1", keypoints)
    expect_same(read(tmp_path / "a", size=SIZE), read(tmp_path / "b", size=SIZE))


@pytest.mark.parametrize("name", ["frame_{0}_of_30", "rec_{1:.2f}"])
def test_openpose_frames_are_not_clips_of_their_own(tmp_path: Path, name: str) -> None:
    write_frames(tmp_path / "c1", coco_keypoints(30), lambda number: name.format(number, number / 25))
    with pytest.raises(CorpusError, match="would be frames of two clips"):
        read(tmp_path, size=SIZE)


def test_single_frames_of_several_names_stay_clips(tmp_path: Path) -> None:
    write_frames(tmp_path, coco_keypoints(3), lambda number: f"{'abc'[number]}_0")
    assert [clip.name for clip in read(tmp_path, size=SIZE).clips] == ["a", "b", "c"]


def test_two_files_of_a_frame_are_refused(tmp_path: Path) -> None:
    keypoints = coco_keypoints(4)
    written.write_openpose(tmp_path / "book" / "c1", keypoints)
    write_frames(tmp_path / "book" / "c2", keypoints, str)
    for number, frame in enumerate(keypoints):
        document = json.dumps({"people": [written.openpose_person(frame)]})
        (tmp_path / "book" / "c1" / f"{number}.json").write_text(document)
    report = read(tmp_path, size=SIZE).report
    assert report.skipped == {"unreadable": 1}
    assert "have the same number" in report.examples[0]
