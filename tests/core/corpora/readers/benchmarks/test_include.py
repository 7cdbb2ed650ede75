"""INCLUDE's folders: lists of INCLUDE and of INCLUDE-50, videos in folders of categories."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers import written
from tests.core.corpora.readers.benchmarks.conftest import Write, facts, read

HEADER = "Category,Word,Video,FilePath\n"
BIRD = "Animals,4. Bird,MVI_2988.MOV,Animals/4. Bird/MVI_2988.MOV\n"
TIME = "Days and Time,86. Time,MVI_5525.MOV,Days_and_Time/86. Time/MVI_5525.MOV\n"
DOG = "Animals,1. Dog,MVI_8560.MP4,Animals/1. Dog/MVI_8560.MP4\n"


@pytest.fixture
def folder(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    write("lists/train_include.csv", HEADER + BIRD + TIME)
    write("lists/test_include.csv", HEADER + DOG)
    write("lists/test_include50.csv", HEADER + DOG)
    write("lists/train_include50.csv", HEADER + BIRD)
    names = ("Animals/4. Bird/MVI_2988", "Days_and_Time/86. Time/MVI_5525", "Animals/1. Dog/MVI_8560")
    for name, video in zip(names, videos, strict=False):
        written.write_pose(tmp_path / f"data/INCLUDE/{name}.pose", video)
    return tmp_path / "data"


def test_lists_and_poses_are_joined(folder: Path, videos: list[np.ndarray]) -> None:
    result = read(folder)
    assert result.format == "include"
    assert facts(result.clips) == [
        ("Animals/1. Dog/MVI_8560", "1. Dog", None, "test"),
        ("Animals/4. Bird/MVI_2988", "4. Bird", None, "train"),
        ("Days_and_Time/86. Time/MVI_5525", "86. Time", None, "train"),
    ]
    wanted = normalise(videos[0], width=640, height=480, profile=PROFILES["wlasl"]).clip
    np.testing.assert_allclose(result.clips[1].clip.points, wanted.points, atol=1e-4)


def test_the_small_lists_can_be_chosen(folder: Path) -> None:
    result = read(folder, classes=50)
    assert [clip.label for clip in result.clips] == ["1. Dog", "4. Bird"]
    with pytest.raises(CorpusError, match=r"of INCLUDE must be 50; got 100"):
        read(folder, classes=100)


def test_a_missing_small_list_is_named(folder: Path) -> None:
    for path in (folder / "lists").glob("*50.csv"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"there is no train_include50\.csv"):
        read(folder, classes=50)
