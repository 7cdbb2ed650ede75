"""DSTA-SLR's packs: an array of 27 joints, padded, and a pickle of names and class numbers."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS
from tests.core.corpora.readers.benchmarks.conftest import JOINTS, SIZE, Write, facts, profile_of, read

NUM_FRAMES = 150


def padded(videos: list[np.ndarray], *, with_zeros: bool = False) -> np.ndarray:
    """Videos (T, 133, 3) as (N, 3, 150, 27, 1), as SAM-SLR's script pads them, or with zeros."""
    array = np.zeros((len(videos), NUM_FRAMES, len(JOINTS), 3, 1), dtype="f4")
    for row, video in zip(array, videos, strict=True):
        joints = video[:NUM_FRAMES, JOINTS, :]
        repeats = 1 if with_zeros else -(-NUM_FRAMES // len(joints))
        filled = np.concatenate([joints] * repeats)[:NUM_FRAMES]
        row[: len(filled), :, :, 0] = filled
    return array.transpose(0, 3, 1, 2, 4)


@pytest.fixture
def pack(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    write("WLASL100/train_label.pkl", (["a", "b", "c"], [0, 1, 0]))
    write("WLASL100/val_label.pkl", (["d"], np.array([1])))
    np.save(tmp_path / "data/WLASL100/train_data_joint.npy", padded(videos[:3]))
    np.save(tmp_path / "data/WLASL100/val_data_joint.npy", padded(videos[3:4], with_zeros=True))
    return tmp_path / "data"


def test_names_classes_and_splits(pack: Path) -> None:
    result = read(pack)
    assert result.format == "dsta_slr"
    assert facts(result.clips) == [
        ("a", "0000", None, "train"),
        ("b", "0001", None, "train"),
        ("c", "0000", None, "train"),
        ("d", "0001", None, "test"),
    ]
    assert any(
        note.startswith("Padding was removed: clips were padded to 150") for note in result.report.notes
    )
    assert any(note.startswith("The pack has ten points of each hand") for note in result.report.notes)


def test_val_is_test_where_there_is_no_other(pack: Path, write: Write, videos: list[np.ndarray]) -> None:
    (note,) = (note for note in read(pack).report.notes if "test_data_joint" in note)
    assert note.startswith(
        "There is no test_data_joint.npy, so the clips of val_data_joint.npy are the split 'test', on which"
    )
    write("WLASL100/test_label.pkl", (["e"], [0]))
    np.save(pack / "WLASL100/test_data_joint.npy", padded(videos[4:5]))
    result = read(pack)
    assert {clip.name: clip.split for clip in result.clips if clip.split != "train"} == {
        "d": "val",
        "e": "test",
    }
    assert not any("test_data_joint" in note for note in result.report.notes)


def test_points_that_exist_are_the_videos_and_the_others_are_missing(
    pack: Path, videos: list[np.ndarray]
) -> None:
    missing = np.setdiff1d(np.arange(133), JOINTS)
    for clip, video in zip(read(pack).clips, videos, strict=False):
        known = video.copy()
        known[:, missing] = 0
        expected = normalise(known, width=SIZE[0], height=SIZE[1], profile=PROFILES["wlasl"]).clip
        np.testing.assert_array_equal(clip.clip.points, expected.points)
        np.testing.assert_array_equal(clip.clip.visible, expected.visible)
        unseen = ~np.isin(COCO_WHOLEBODY_JOINTS, JOINTS)
        assert unseen.sum() == 22
        assert not clip.clip.visible[:, unseen].any()


def test_a_long_clip_without_padding_is_whole(pack: Path, videos: list[np.ndarray]) -> None:
    long = np.random.default_rng(0).uniform(200, 300, (200, 133, 3))
    np.save(pack / "WLASL100/val_data_joint.npy", padded([long]))
    report = read(pack).report
    assert report.frames_kept + report.frames_without_hands == NUM_FRAMES + sum(map(len, videos[:3]))


def test_infinite_values_are_missing_points(pack: Path, videos: list[np.ndarray]) -> None:
    array = padded(videos[3:4])
    array[0, 0, :, 0] = np.inf
    np.save(pack / "WLASL100/val_data_joint.npy", array)
    clip = read(pack).clips[-1].clip
    assert not clip.visible[:, 42].any()
    assert np.isfinite(clip.points).all()


def test_options(pack: Path) -> None:
    assert [clip.name for clip in read(pack, classes=1).clips] == ["a", "c"]
    result = read(pack, exclude_train_positions=(1,), exclude_clips=("d",))
    assert [clip.name for clip in result.clips] == ["a", "c"]


def test_the_folder_says_whose_thresholds_count(pack: Path) -> None:
    (pack / "WLASL100").rename(pack / "NMFs-CSL")
    assert profile_of(pack).name == "nmfs_csl"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            (["a", "b"], [0, 1]),
            "for each of the 3 clips of train_data_joint.npy; it has 2 names and 2 numbers",
        ),
        (
            (["a", "b", "c"], [0, 1, -1]),
            r"train_label\.pkl does not have the published annotation format\. /2: ",
        ),
        ((["a", "b", "c"], ["x", "y", "z"]), "/0: Input should be a whole number"),
        ({"a": 0}, r"train_label\.pkl must hold a pair \(clip names, class numbers\)"),
        (([1, 2, 3], [0, 1, 0]), r"train_label\.pkl does not have the published annotation format"),
        ((["a", "b", "c"], [[0], [1, 2], 3]), "/0: Input should be a whole number"),
    ],
)
def test_labels_that_do_not_fit_are_refused(pack: Path, write: Write, label: object, message: str) -> None:
    write("WLASL100/train_label.pkl", label)
    with pytest.raises(CorpusError, match=message):
        read(pack)


def test_arrays_of_another_kind_are_refused(pack: Path) -> None:
    np.save(pack / "WLASL100/val_data_joint.npy", np.zeros((1, 3, 150, 31, 1)))
    with pytest.raises(
        CorpusError,
        match=r"must hold floating-point .*\(clips, 3, frames, 27, 1\); got \(1, 3, 150, 31, 1\)",
    ):
        read(pack)
    (pack / "WLASL100/val_data_joint.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(CorpusError, match=r"val_data_joint\.npy is damaged"):
        read(pack)
    (pack / "WLASL100/val_data_joint.npy").unlink()
    (pack / "WLASL100/train_label.pkl").unlink()
    with pytest.raises(CorpusError, match=r"train_label\.pkl is missing beside"):
        read(pack)


def test_packs_of_several_benchmarks_are_refused(pack: Path, videos: list[np.ndarray]) -> None:
    (pack / "SLR500").mkdir()
    np.save(pack / "SLR500/train_data_joint.npy", padded(videos[:1]))
    with pytest.raises(CorpusError, match=r"belong to different packs\. Import each folder separately"):
        read(pack)


def test_fractions_of_the_frame_are_no_pixels(pack: Path, videos: list[np.ndarray]) -> None:
    video = videos[3] / (*SIZE, 1)
    np.save(pack / "WLASL100/val_data_joint.npy", padded([video]))
    report = read(pack).report
    assert dict(report.skipped) == {"unreadable": 1}
    assert "val_data_joint.npy: x and y are at most" in report.examples[0]
