"""GloSL's corpora: a table of annotations beside `.pose` files."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers import conftest, written
from tests.core.corpora.readers.benchmarks.conftest import Write, facts, read

OLD = (
    "id,split,text,gloss,signer\na-1,train,a book,BOOK,S1\nb-2,dev,to drink,,S2\nc-3,test,tea,TEA,\n"
    "d-4,test,x,X,S1\n"
)
NEW = (
    "id,split,text,gloss,gloss_type,signer,start,end,fps,n_frames,video_ref,pose_file,video_file\n"
    "a-1,train,a book,BOOK,gloss,S1,0,1,25,9,v,poses/0000/a-1.pose,videos/0000/a-1.mp4\n"
    "b-2,dev,to drink,,,S2,0,1,25,9,v,poses/0001/other.pose,\n"
)


@pytest.fixture
def folder(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    write("glosl/annotations.csv", OLD)
    write("glosl/card.json", "{}")
    for name, video in zip(("a-1", "b-2", "c-3"), videos, strict=False):
        written.write_pose(tmp_path / f"data/glosl/poses/{name}.pose", video)
    return tmp_path / "data"


def test_annotations_and_poses_are_joined(folder: Path) -> None:
    result = read(folder)
    assert result.format == "glosl"
    assert facts(result.clips) == [
        ("a-1", "BOOK", "S1", "train"),
        ("b-2", "to drink", "S2", "val"),
        ("c-3", "TEA", None, "test"),
    ]
    assert dict(result.report.skipped) == {"no pose": 1}


def test_points_are_those_of_the_file(folder: Path, videos: list[np.ndarray]) -> None:
    for source, video in zip(read(folder).clips, videos, strict=False):
        wanted = normalise(video, width=640, height=480, profile=PROFILES["wlasl"]).clip
        np.testing.assert_allclose(source.clip.points, wanted.points, atol=1e-4)


def test_pose_files_in_numbered_folders(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> None:
    write("annotations.csv", NEW)
    write("videos/0000/a-1.mp4", "a video")
    for name, video in zip(("0000/a-1", "0001/other"), videos, strict=False):
        written.write_pose(tmp_path / f"data/poses/{name}.pose", video)
    assert facts(read(tmp_path / "data").clips) == [
        ("a-1", "BOOK", "S1", "train"),
        ("b-2", "to drink", "S2", "val"),
    ]


def test_an_empty_id_is_refused(folder: Path, write: Write) -> None:
    write("glosl/annotations.csv", OLD + ",train,a,A,S\n")
    with pytest.raises(CorpusError, match=r"annotations\.csv, line 6: the column 'id' is empty"):
        read(folder)


def test_another_table_of_that_name_is_left_alone(folder: Path, write: Write) -> None:
    write("glosl/annotations.csv", "clip,start,end\na-1,0,1\n")
    result = conftest.read(folder)
    assert result.format == "pose_format"
    assert len(result.clips) == 3


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (",", "utf-8-sig")])
def test_tables_of_spreadsheets(folder: Path, write: Write, separator: str, encoding: str) -> None:
    wanted = facts(read(folder).clips)
    table = OLD.replace(",", separator).encode(encoding)
    (folder / "glosl/annotations.csv").write_bytes(table)
    result = read(folder)
    assert (result.format, facts(result.clips)) == ("glosl", wanted)


@pytest.mark.parametrize(
    ("row", "what"),
    [("a-1,train,,BOOK,S2", "signer"), ("a-1,dev,,BOOK,S1", "split"), ("a-1,train,,CUP,S1", "label")],
)
def test_rows_that_contradict_are_refused(folder: Path, write: Write, row: str, what: str) -> None:
    write("glosl/annotations.csv", f"{OLD}{row}\n")
    with pytest.raises(CorpusError, match=f"Clip 'a-1' is listed with two {what}s"):
        read(folder)
    assert facts(read(folder, exclude_clips=("a-1",)).clips)[0][0] == "b-2"
