"""The Sem-Lex benchmark: one table of all videos, some of them several times."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers import written
from tests.core.corpora.readers.benchmarks.conftest import Write, facts, read

TABLE = (
    ",video_id,signer_id,label,label_type,split\n"
    "0,M1_a,7,book,asllex,train\n"
    "1,M2_b,8,tea,asllex,val\n"
    "2,M1_a,7,book,asllex,test\n"
    "3,M3_c,9,cup,freetext,test\n"
    "4,M4_d,9,cup,freetext,test\n"
)


@pytest.fixture
def folder(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    write("Sem-Lex/semlex_metadata.csv", TABLE)
    for name, video in zip(("train/M1_a", "val/M2_b", "test/M3_c"), videos, strict=False):
        written.write_pose(tmp_path / f"data/Sem-Lex/poses/{name}.pose", video)
    return tmp_path / "data"


def test_table_and_poses_are_joined(folder: Path, videos: list[np.ndarray]) -> None:
    result = read(folder)
    assert result.format == "semlex"
    assert facts(result.clips) == [
        ("M1_a", "book", "7", "train"),
        ("M2_b", "tea", "8", "val"),
        ("M3_c", "cup", "9", "test"),
    ]
    assert dict(result.report.skipped) == {"no pose": 1}
    assert any(note.startswith("1 rows of semlex_metadata.csv repeat") for note in result.report.notes)
    wanted = normalise(videos[2], width=640, height=480, profile=PROFILES["wlasl"]).clip
    np.testing.assert_allclose(result.clips[2].clip.points, wanted.points, atol=1e-4)


def test_an_empty_video_is_refused(folder: Path, write: Write) -> None:
    write("Sem-Lex/semlex_metadata.csv", TABLE + "5,,9,cup,freetext,test\n")
    with pytest.raises(CorpusError, match="line 7: the column 'video_id' is empty"):
        read(folder)
