"""AUTSL's folders: lists without a header, signers in the names of videos."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers import conftest
from tests.core.corpora.readers.benchmarks.conftest import SIZE, Write, facts, read

NAMES = "ClassId,TR,EN\n0,abla,sister\n175,sen,you\n182,siz,you\n"
LISTS = {
    "train": "signer0_sample1,0\nsigner0_sample2,175\n",
    "validation": "signer1_sample1,182\n",
    "test": "signer34_sample7,175\nsigner34_sample8,0\n",
}
CLIPS = ("signer0_sample1", "signer0_sample2", "signer1_sample1", "signer34_sample7")


@pytest.fixture
def folder(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    for split, lines in LISTS.items():
        write(f"AUTSL/{split}_labels.csv", lines)
    write("AUTSL/SignList_ClassId_TR_EN.csv", NAMES)
    for name, video in zip(CLIPS, videos, strict=False):
        write(f"AUTSL/poses/{name}_color.pkl", {"keypoints": video.astype("f8")})
    return tmp_path / "data"


def test_lists_and_poses_are_joined(folder: Path, videos: list[np.ndarray]) -> None:
    result = read(folder)
    assert result.format == "autsl"
    assert facts(result.clips) == [
        ("signer34_sample7", "sen", "34", "test"),
        ("signer0_sample1", "abla", "0", "train"),
        ("signer0_sample2", "sen", "0", "train"),
        ("signer1_sample1", "siz", "1", "val"),
    ]
    assert dict(result.report.skipped) == {"no pose": 1}
    assert any("signers were read from the names" in note for note in result.report.notes)
    wanted = normalise(videos[0], width=SIZE[0], height=SIZE[1], profile=PROFILES["wlasl"]).clip
    np.testing.assert_allclose(result.clips[1].clip.points, wanted.points, atol=1e-6)


def test_without_names_labels_are_numbers(folder: Path) -> None:
    (folder / "AUTSL/SignList_ClassId_TR_EN.csv").unlink()
    result = read(folder)
    assert [clip.label for clip in result.clips] == ["0175", "0000", "0175", "0182"]
    assert any("no SignList_ClassId_TR_EN.csv" in note for note in result.report.notes)


def test_pose_files_may_lack_the_ending_of_the_colour_video(folder: Path) -> None:
    for path in (folder / "AUTSL/poses").iterdir():
        path.rename(path.with_name(path.name.replace("_color", "")))
    assert len(read(folder).clips) == 4


def test_pose_files_may_be_those_of_openhands(folder: Path, write: Write) -> None:
    points = conftest.holistic_keypoints(4, 8)
    for name, of_clip in zip(CLIPS, points, strict=True):
        write(
            f"AUTSL/poses/{name}_color.pkl",
            {"keypoints": of_clip.copy(), "confidences": of_clip[:, :, 2].copy()},
        )
    result = read(folder)
    assert [clip.label for clip in result.clips] == ["sen", "abla", "sen", "siz"]
    assert [len(clip.clip) for clip in result.clips] == [8] * 4


def test_the_first_classes_can_be_chosen(folder: Path) -> None:
    assert [clip.name for clip in read(folder, classes=1).clips] == ["signer0_sample1"]


@pytest.mark.parametrize("line", ["signer0,1", "signer0_sample3", "signer0_sample3,x", "signer0_sample3,1,2"])
def test_invalid_lines_are_refused(folder: Path, write: Write, line: str) -> None:
    write("AUTSL/train_labels.csv", f"signer0_sample1,0\n{line}\n")
    with pytest.raises(CorpusError, match=r"train_labels\.csv, line 2: "):
        read(folder)


def test_other_lists_of_that_name_are_left_alone(folder: Path, write: Write) -> None:
    for split in LISTS:
        write(f"AUTSL/{split}_labels.csv", "clip,label\na,b\n")
    result = conftest.read(folder, size=SIZE)
    assert result.format == "pose_pickle"
    assert len(result.clips) == 4
