"""Uni-Sign's folders: a pickle a clip, in fractions of the frame, and compressed labels."""

import gzip
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers.benchmarks.conftest import SIZE, Write, facts, read


def posed(video: np.ndarray, **more: Any) -> dict[str, Any]:
    """A video as Uni-Sign's script saves it: lists of frames (people, 133, ...)."""
    return {
        "keypoints": [frame[None, :, :2] / np.array(SIZE) for frame in video.astype("f8")],
        "scores": [frame[None, :, 2] for frame in video],
        **more,
    }


def labels(**entries: tuple[str, Any]) -> bytes:
    """A label file: name -> text and gloss."""
    table = {
        name: {"name": name, "video_path": f"{name}.mp4", "text": text, "gloss": gloss}
        for name, (text, gloss) in entries.items()
    }
    return gzip.compress(pickle.dumps(table))


@pytest.fixture
def folder(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    for name, video in zip(("train/v1", "train/v2", "val/v3", "test/v4"), videos, strict=False):
        write(f"dataset/WLASL/pose_format/{name}.pkl", posed(video))
    for split, data in {
        "train": labels(v1=("a book", ["book"]), v2=("drink", [])),
        "dev": labels(v3=("a book", "book")),
        "test": labels(v5=("drink", "")),
    }.items():
        write(f"data/WLASL/labels-2000.{split}", "")
        (tmp_path / f"data/data/WLASL/labels-2000.{split}").write_bytes(data)
    return tmp_path / "data"


def test_labels_and_poses_are_joined(folder: Path) -> None:
    result = read(folder)
    assert result.format == "uni_sign"
    assert facts(result.clips) == [
        ("v3", "book", None, "val"),
        ("v1", "book", None, "train"),
        ("v2", "drink", None, "train"),
    ]
    assert dict(result.report.skipped) == {"no pose": 1}
    assert any("test/v4.pkl" in note for note in result.report.notes)


def test_fractions_become_pixels(folder: Path, videos: list[np.ndarray]) -> None:
    clip = next(clip for clip in read(folder).clips if clip.name == "v1").clip
    expected = normalise(videos[0], width=SIZE[0], height=SIZE[1], profile=PROFILES["wlasl"]).clip
    np.testing.assert_allclose(clip.points, expected.points, atol=1e-3)
    square = read(folder, size=None)
    assert any(note.startswith("The frame size is unknown, so square frames") for note in square.report.notes)


@pytest.mark.parametrize("several", [False, True])
def test_a_pickle_may_state_its_frames_size(
    folder: Path, write: Write, videos: list[np.ndarray], several: bool
) -> None:
    size = [SIZE] * len(videos[0]) if several else np.array(SIZE)
    for name in ("v1", "v2"):
        write(f"dataset/WLASL/pose_format/train/{name}.pkl", posed(videos[0], w_h=size))
    write("dataset/WLASL/pose_format/val/v3.pkl", posed(videos[0], w_h=size))
    stated = read(folder, size=None)
    given = read(folder, size=SIZE)
    assert not any(note.startswith("The frame size is unknown") for note in stated.report.notes)
    for clip, other in zip(stated.clips, given.clips, strict=True):
        np.testing.assert_array_equal(clip.clip.points, other.clip.points)


def test_an_empty_list_of_sizes_is_no_size(folder: Path, write: Write, videos: list[np.ndarray]) -> None:
    write("dataset/WLASL/pose_format/train/v1.pkl", posed(videos[0], w_h=[]))
    assert not read(folder).report.skipped["unreadable"]


def test_a_stretch_of_a_video_is_cut_out(folder: Path, write: Write, videos: list[np.ndarray]) -> None:
    write("dataset/WLASL/pose_format/train/v1.pkl", posed(videos[0], start=5, end=25))
    write("dataset/WLASL/pose_format/train/v2.pkl", posed(videos[0][5:25]))
    stretch, alone = (clip.clip for clip in read(folder).clips if clip.split == "train")
    np.testing.assert_array_equal(stretch.points, alone.points)


def test_frames_without_people_are_frames_without_hands(
    folder: Path, write: Write, videos: list[np.ndarray]
) -> None:
    pose = posed(videos[0])
    pose["keypoints"][3], pose["scores"][3] = np.zeros((0, 133, 2)), np.zeros((0, 133))
    two = np.concatenate([pose["keypoints"][0]] * 2)
    pose["keypoints"][0], pose["scores"][0] = two, np.concatenate([pose["scores"][0]] * 2)
    whole = next(clip.clip for clip in read(folder).clips if clip.name == "v1")
    write("dataset/WLASL/pose_format/train/v1.pkl", pose)
    without = next(clip.clip for clip in read(folder).clips if clip.name == "v1")
    np.testing.assert_array_equal(without.points, np.delete(whole.points, 3, axis=0))


def test_without_labels_the_folders_are_splits(folder: Path) -> None:
    for path in folder.glob("data/WLASL/*"):
        path.unlink()
    result = read(folder)
    assert [(clip.name.rpartition("/")[2], clip.label, clip.split) for clip in result.clips] == [
        ("v4", None, "test"),
        ("v1", None, "train"),
        ("v2", None, "train"),
        ("v3", None, "val"),
    ]
    assert any(note.startswith("There is no file labels-*.train") for note in result.report.notes)


def test_of_several_subsets_one_is_chosen(folder: Path) -> None:
    (folder / "data/WLASL/labels-100.train").write_bytes(labels(v1=("book", "book")))
    with pytest.raises(CorpusError, match=r"labels of several subsets \(100, 2000\)\. Set benchmark_classes"):
        read(folder)
    assert [clip.name for clip in read(folder, classes=100).clips] == ["v1"]
    with pytest.raises(
        CorpusError, match=r"benchmark_classes \(--classes\) is 300, but there is no labels-300\.train"
    ):
        read(folder, classes=300)


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        ({"keypoints": [np.zeros((1, 133, 2))], "scores": [np.zeros((1, 17))]}, "keypoints .*, but scores"),
        ({"keypoints": [np.zeros((1, 133, 2))]}, r"or \(\.\.\., 2\) and scores"),
        (
            {"keypoints": [np.zeros((1, 133, 3))] * 3, "start": 2, "end": 1},
            "'start' 2 and 'end' 1 are not a range",
        ),
        ({"keypoints": ["text"]}, "damaged|must be"),
        ({"keypoints": [[[[]]], {}]}, "damaged|must be"),
        ({"keypoints": [np.zeros((133, 3))] * 50_001}, "has 50001 frames; the limit is 50000"),
        ({"keypoints": [[np.zeros((133, 3))] * 1001]}, "has 1001 people or points; the limit is 1000"),
        ({"keypoints": 5}, "damaged|must be"),
        ({"scores": [1]}, r"has no keypoints .*\(KeyError\('keypoints'\)\)"),
        ({"keypoints": np.zeros((3, 133, 3)), "width": 0, "height": 0}, "0 x 0 pixels"),
        ({"keypoints": np.zeros((3, 133, 3)), "img_shape": ["a", "b"]}, "damaged"),
        ({"keypoints": np.zeros((3, 133, 3)), "img_shape": 7}, "damaged"),
        ({"keypoints": np.zeros((3, 133, 3)), "w_h": 7}, "damaged"),
        ({"keypoints": np.zeros((3, 133, 3)), "w_h": (640, 480, 3)}, "damaged"),
        ({"keypoints": np.zeros((3, 133, 3)), "w_h": [(640, 480), "ab"]}, "damaged"),
        ({"keypoints": np.zeros((3, 133, 3)), "w_h": (640, 1)}, "its frame size is 640.0 x 1.0 pixels"),
        (
            {"keypoints": np.zeros((3, 133, 3)), "w_h": [(640, 480), (640, 480), (640, 360)]},
            "its frames have 640 x 360 and 640 x 480 pixels; all frames of a clip must have the same size",
        ),
        ({"keypoints": np.zeros((3, 133, 3)), "start": "x", "end": []}, "damaged"),
        (
            {"keypoints": [np.zeros((1, 133, 3))] * 3, "start": 2, "end": 9},
            "'start' 2 and 'end' 9 are not a range within its 3",
        ),
        ({"keypoints": np.full((3, 133, 3), 5.0)}, "x and y are at most 5, so they are not in pixels"),
        ({"keypoints": np.zeros((1, 10**6, 0, 3))}, "has 1000000 people or points; the limit is 1000"),
        ({"keypoints": np.zeros((1, 999, 0, 3))}, r"keypoints of shape \(999, 0, 3\); a person has 133"),
    ],
)
def test_invalid_poses_are_skipped_with_their_reason(
    folder: Path, write: Write, pose: object, message: str
) -> None:
    write("dataset/WLASL/pose_format/train/v1.pkl", pose)
    report = read(folder).report
    assert report.skipped["unreadable"] == 1
    assert re.search(message, next(text for text in report.examples if text.startswith("v1: ")))


def test_invalid_labels_are_refused(folder: Path) -> None:
    (folder / "data/WLASL/labels-2000.train").write_bytes(gzip.compress(pickle.dumps(["v1"])))
    with pytest.raises(
        CorpusError, match=r"labels-2000\.train does not have the published annotation format"
    ):
        read(folder)


def test_labels_of_several_benchmarks_are_refused(folder: Path) -> None:
    (folder / "data/MSASL").mkdir()
    (folder / "data/MSASL/labels-2000.train").write_bytes(labels(v1=("hello", "hello")))
    with pytest.raises(CorpusError, match=r"belong to different benchmarks\. Import each folder separately"):
        read(folder)
