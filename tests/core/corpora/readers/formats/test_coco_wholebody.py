"""COCO-WholeBody `.npz`: one clip, many clips, a folder of clips."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.formats import coco_wholebody
from core.corpora.readers.raw_clip import ReadOptions
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read

Save = Callable[..., Path]


def test_a_real_clip_of_mmpose(shared_data: Path) -> None:
    path = shared_data / "formats" / "mmpose_json_133" / "clip_133.npz"
    result = read(path)
    expected = normalise(np.load(path)["keypoints"], width=1000, height=1000, profile=PROFILES["wlasl"])
    assert result.format == "coco_wholebody_133"
    np.testing.assert_array_equal(result.clips[0].clip.points, expected.clip.points)
    assert result.clips[0].label is None
    assert result.report.frames_kept + result.report.frames_without_hands == 93


def many_clips(**changes: Any) -> dict[str, Any]:
    """Three clips of 2, 0 and 3 frames and all that can be said about them."""
    return {
        "keypoints": coco_keypoints(5).astype("f4"),
        "offsets": [0, 2, 2, 5],
        "width": 640,
        "height": 480,
        "labels": [1, 0, -1],
        "class_names": ["coffee", "tea"],
        "signer": [0, 0, 1],
        "signer_names": ["ann", "ben"],
        "session": [7, 7, 8],
        "split": ["train", "train", "test"],
        "names": ["first", "second", "third"],
    } | changes


def test_many_clips_in_one_file(saved: Save) -> None:
    result = read(saved("many.npz", **many_clips()))
    told = [(clip.name, clip.label, clip.signer, clip.session, clip.split) for clip in result.clips]
    assert told == [("first", "tea", "ann", "7", "train"), ("third", None, "ben", "8", "test")]
    assert [len(clip.clip) for clip in result.clips] == [2, 3]
    assert dict(result.report.skipped) == {"no frames": 1}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Train", "train"),
        ("training", "train"),
        ("VALID", "val"),
        ("validation", "val"),
        ("dev", "val"),
        ("Development", "val"),
        ("Test", "test"),
        ("testing", "test"),
    ],
)
def test_splits_have_one_name_and_the_report_says_which(saved: Save, theirs: str, ours: str) -> None:
    result = read(saved("many.npz", **many_clips(split=[theirs, theirs, "Fold 1"])))
    assert [clip.split for clip in result.clips] == [ours, "Fold 1"]
    assert result.report.notes == [f"The split {theirs!r} was renamed to {ours!r}."]


def test_spaces_around_names_mean_nothing(saved: Save) -> None:
    columns = {"labels": ["tea ", "x", "tea"], "signer": ["Ann", "x", "Ann "], "session": ["monday", "", " "]}
    result = read(saved("many.npz", **many_clips(**columns, split=["train", "x", " test"])))
    assert [(clip.label, clip.signer, clip.session, clip.split) for clip in result.clips] == [
        ("tea", "Ann", "monday", "train"),
        ("tea", "Ann", None, "test"),
    ]


@pytest.mark.parametrize(("fps", "told"), [(1e-30, "unknown"), (0.9, "unknown"), (1, "1"), (1001, "unknown")])
def test_a_frame_rate_that_no_camera_has_is_unknown(saved: Save, fps: float, told: str) -> None:
    report = read(saved("many.npz", **many_clips(fps=fps))).report.as_json()
    assert report["frame_rates"] == {told: 2}


def test_without_columns_clips_have_numbers(saved: Save) -> None:
    arrays = many_clips()
    result = read(saved("many.npz", **{k: arrays[k] for k in ("keypoints", "offsets", "width", "height")}))
    assert [(clip.name, clip.label) for clip in result.clips] == [("000000", None), ("000002", None)]


def test_each_clip_may_have_its_own_size(saved: Save) -> None:
    plain = read(saved("one.npz", **many_clips())).clips
    wide = read(saved("two.npz", **many_clips(width=[640, 640, 1280]))).clips
    np.testing.assert_array_equal(plain[0].clip.points, wide[0].clip.points)
    np.testing.assert_allclose(plain[1].clip.points[:, 42:, 0], 2 * wide[1].clip.points[:, 42:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offsets": [0, 2, 4]}, "'offsets' must increase from 0 to the number of frames, 5"),
        ({"offsets": [0, 4, 2, 5]}, "'offsets' must increase"),
        ({"offsets": [0.0, 5.0]}, "'offsets' must be integers"),
        ({"labels": [0, 1]}, r"'labels' must have one entry per clip, shape \(3,\)"),
        ({"labels": [0, 1, 2]}, "'labels' has values up to 2, but 'class_names' has only 2 names"),
        ({"labels": [0.5, 1, 1]}, "'labels' must hold integers or text"),
        ({"class_names": [1, 2]}, "'class_names' must be a list of text"),
        ({"width": 0}, "'width' must be between 2 and 1000000"),
        ({"height": float("nan")}, "'height' must be between"),
        ({"height": [480, 480]}, "one number of pixels, or one per clip"),
        ({"keypoints": np.zeros((5, 17, 3))}, r"shape \(frames, 133, 3\); got float64 \(5, 17, 3\)"),
        ({"keypoints": np.zeros((5, 133, 3), "U2")}, "must be numbers"),
    ],
)
def test_what_does_not_fit_is_named(saved: Save, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read(saved("many.npz", **many_clips(**changes)))


def test_a_size_must_come_from_the_file_or_the_import(saved: Save) -> None:
    path = saved("clip.npz", keypoints=coco_keypoints(3))
    with pytest.raises(CorpusError, match="Set image_width and image_height"):
        read(path)
    assert len(read(path, size=(640, 480)).clips) == 1


def test_a_folder_of_clips(saved: Save, tmp_path: Path) -> None:
    for name in ("tea/0.npz", "tea/1.npz", "coffee/0.npz"):
        saved(f"folder/{name}", keypoints=coco_keypoints(3), width=640, height=480)
    (tmp_path / "folder" / "tea" / "2.npz").write_bytes(b"not a zip")
    saved("folder/tea/3.npz", poses=[1])
    (tmp_path / "folder" / "notes.txt").write_text("x")
    (tmp_path / "folder" / ".hidden.npz").write_text("x")

    result = read(tmp_path / "folder")

    assert [(clip.name, clip.label) for clip in result.clips] == [
        ("coffee/0", "coffee"),
        ("tea/0", "tea"),
        ("tea/1", "tea"),
    ]
    assert dict(result.report.skipped) == {"unreadable": 2}
    assert any("no array 'keypoints'; it has 'poses'" in example for example in result.report.examples)
    assert result.report.notes == ["1 other file was not read (.txt)."]


def test_a_folder_of_a_single_clip_keeps_its_sign(saved: Save, tmp_path: Path) -> None:
    saved("folder/tea/0.npz", keypoints=coco_keypoints(3), width=640, height=480)
    assert [clip.label for clip in read(tmp_path / "folder").clips] == ["tea"]


def test_of_many_clips_those_in_fractions_are_skipped(saved: Save) -> None:
    keypoints = coco_keypoints(5).astype("f4")
    keypoints[:2] /= (640, 480, 1)
    result = read(saved("many.npz", **many_clips(keypoints=keypoints)))
    assert [clip.name for clip in result.clips] == ["third"]
    assert dict(result.report.skipped) == {"unreadable": 1, "no frames": 1}
    assert "first: " in result.report.examples[0]
    assert "so they are not in pixels" in result.report.examples[0]


def test_a_folder_of_files_of_many_clips(saved: Callable[..., Path]) -> None:
    for number, (name, split) in enumerate((("train", ["", "dev"]), ("test", ["", ""]))):
        keypoints = coco_keypoints(9, number)
        path = saved(
            f"all/{name}.npz",
            keypoints=keypoints,
            offsets=[0, 4, 9],
            width=640,
            height=480,
            labels=["tea", "cup"],
            split=split,
        )
    result = read(path.parent)
    assert [(clip.name, clip.label, clip.split) for clip in result.clips] == [
        ("test/000000", "tea", "test"),
        ("test/000001", "cup", "test"),
        ("train/000000", "tea", "train"),
        ("train/000001", "cup", "val"),
    ]
    alone = read(saved("one.npz", keypoints=coco_keypoints(9, 1)[4:], width=640, height=480))
    np.testing.assert_allclose(result.clips[1].clip.points, alone.clips[0].clip.points, atol=1e-6)


def test_a_file_of_many_clips_is_not_one_clip(saved: Callable[..., Path]) -> None:
    clips = {"keypoints": coco_keypoints(9), "width": 640, "height": 480}
    many = saved("all/many.npz", offsets=[0, 4, 9], **clips)
    with pytest.raises(CorpusError, match="has 'offsets', so it holds many clips"):
        coco_wholebody.read_keypoints(many, ReadOptions(PROFILES["wlasl"]), ReadReport())
    saved("all/a.npz", **clips)
    with pytest.raises(CorpusError, match=r"many\.npz holds many clips, but a\.npz beside it does not"):
        read(many.parent)


def test_files_of_many_clips_of_two_formats_are_refused(saved: Callable[..., Path]) -> None:
    saved("all/a.npz", keypoints=coco_keypoints(9), offsets=[0, 9], width=640, height=480)
    path = saved("all/b.npz", keypoints=holistic_keypoints(2, 3))
    with pytest.raises(CorpusError, match=r"format coco_wholebody_133, but b\.npz beside it mediapipe"):
        read(path.parent)


def test_one_file_named_like_a_split_is_found(saved: Callable[..., Path]) -> None:
    clips = {"keypoints": coco_keypoints(9), "offsets": [0, 4, 9], "width": 640, "height": 480}
    path = saved("all/train.npz", **clips)
    saved("all/rest.npz", **clips)
    (found,) = read(path.parent).report.findings()
    assert (found.kind.code, found.count, found.is_refused(4)) == ("gloss-named-like-split", 2, True)
    saved("all/train.npz", split=["train", "test"], **clips)
    assert read(path.parent).report.findings() == []
