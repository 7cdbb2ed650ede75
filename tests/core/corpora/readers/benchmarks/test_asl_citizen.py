"""ASL Citizen's folders: tables of the splits, and `.npy` of MediaPipe points, right hand before left."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers import conftest
from tests.core.corpora.readers.benchmarks.conftest import Write, facts, read

SIZE = (640, 480)
HEADER = "Participant ID,Video file,Gloss,ASL-LEX Code\n"
TABLES = {
    "train": "P1,1-BOOK.mp4,BOOK,C_1\nP2,2-DRINK.mp4,DRINK,D_1\n",
    "val": "P3,3-BOOK.mp4,BOOK,C_1\n",
    "test": "P4,4-DRINK.mp4,DRINK,D_1\nP4,5-BOOK.mp4,BOOK,C_1\n",
}


def posed(video: np.ndarray) -> np.ndarray:
    """A video (T, 133, 3) in pixels as the baseline stores it; hands of little confidence are missing."""
    points = np.zeros((len(video), 543, 2))
    fractions = video[:, :, :2] / np.array(SIZE)
    for pose_point, coco in {0: 0, 11: 5, 12: 6, 13: 7, 14: 8, 15: 9, 16: 10}.items():
        points[:, pose_point] = fractions[:, coco]
    points[:, 33:54] = fractions[:, 112:]  # right
    points[:, 54:75] = fractions[:, 91:112]  # left
    points[:, 75:] = 0.5
    return points


def expected(points: np.ndarray) -> Any:
    """The clip, from COCO-WholeBody keypoints that are written down here point by point."""
    keypoints = np.zeros((len(points), 133, 3))
    order = {0: 0, 5: 11, 6: 12, 7: 13, 8: 14, 9: 15, 10: 16}
    order |= {112 + joint: 33 + joint for joint in range(21)}
    order |= {91 + joint: 54 + joint for joint in range(21)}
    for frame, of_frame in enumerate(points):
        for coco, point in order.items():
            x, y = of_frame[point]
            if (x, y) != (0, 0):
                keypoints[frame, coco] = 640 * x, 480 * y, 1
    return normalise(keypoints, width=640, height=480, profile=PROFILES["wlasl"]).clip


@pytest.fixture
def folder(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    for split, rows in TABLES.items():
        write(f"ASL_Citizen/splits/{split}.csv", HEADER + rows)
    poses = tmp_path / "data/ASL_Citizen/pose_files"
    poses.mkdir()
    for name, video in zip(("1-BOOK", "2-DRINK", "3-BOOK", "4-DRINK"), videos, strict=False):
        np.save(poses / f"{name}.npy", posed(video))
    write("ASL_Citizen/videos/1-BOOK.mp4", "a video")
    return tmp_path / "data"


def test_tables_and_poses_are_joined(folder: Path) -> None:
    result = read(folder, size=SIZE)
    assert result.format == "asl_citizen"
    assert facts(result.clips) == [
        ("4-DRINK", "DRINK", "P4", "test"),
        ("1-BOOK", "BOOK", "P1", "train"),
        ("2-DRINK", "DRINK", "P2", "train"),
        ("3-BOOK", "BOOK", "P3", "val"),
    ]
    assert dict(result.report.skipped) == {"no pose": 1}
    assert not result.report.findings()


def test_points_are_those_of_the_file(folder: Path) -> None:
    path = folder / "ASL_Citizen/pose_files/1-BOOK.npy"
    points = np.load(path)
    points[3, 33:54] = 0  # no right hand
    points[-1] = 0  # neither pose nor hands
    np.save(path, points)
    clip = next(clip for clip in read(folder, size=SIZE).clips if clip.name == "1-BOOK").clip
    wanted = expected(points)
    np.testing.assert_allclose(clip.points, wanted.points, atol=1e-6)
    np.testing.assert_array_equal(clip.visible, wanted.visible)
    assert not clip.visible[3, :21].any()
    assert clip.visible[3, 21:42].all()
    assert len(clip) == len(points) - 1


def test_the_published_split_is_kept(folder: Path, tmp_path: Path) -> None:
    spec = ImportSpec(source=str(folder), name="asl", image_width=640, image_height=480)
    import_corpus(spec, tmp_path, SilentObserver())
    assert PackedCorpus.open(tmp_path / "corpus").split_counts == {"train": 2, "val": 1, "test": 1}


def test_a_pose_file_alone_is_a_clip(folder: Path) -> None:
    result = conftest.read(folder / "ASL_Citizen/pose_files", size=SIZE)
    assert result.format == "mediapipe_npy"
    assert len(result.clips) == 4
    assert any("in the order of ASL Citizen" in note for note in result.report.notes)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 543, 3)), r"shape \(frames, 543, 2\).* it holds float64 \(3, 543, 3\)"),
        (np.full((3, 543, 2), "x"), "must hold numbers"),
        (np.linspace(290, 310, 3 * 543 * 2).reshape(3, 543, 2), "not fractions of the frame"),
        (np.full((3, 543, 2), None), "pickled objects"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "clip.npy", array, allow_pickle=True)
    with pytest.raises(CorpusError, match=message):
        conftest.read(tmp_path / "clip.npy", size=SIZE)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (HEADER + "P1,,BOOK,C_1\n", r"train\.csv, line 2: the column 'video file' is empty"),
        (HEADER + 'P1,"1-BOOK\n', r"train\.csv is damaged"),
        (HEADER.strip() + ",Gloss\nP1,1-BOOK.mp4,BOOK,C,D\n", "must have one column 'gloss'"),
    ],
)
def test_damaged_tables_are_refused(folder: Path, write: Write, table: str, message: str) -> None:
    write("ASL_Citizen/splits/train.csv", table)
    with pytest.raises(CorpusError, match=message):
        read(folder, size=SIZE)


def test_tables_of_two_folders_are_refused(folder: Path, write: Write) -> None:
    write("other/splits/train.csv", HEADER + TABLES["train"])
    with pytest.raises(CorpusError, match="belong to different benchmarks"):
        read(folder, size=SIZE)


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), (",", "utf-16")])
def test_tables_of_spreadsheets(folder: Path, separator: str, encoding: str) -> None:
    wanted = facts(read(folder, size=SIZE).clips)
    for split, rows in TABLES.items():
        table = (HEADER + rows).replace(",", separator).encode(encoding)
        (folder / f"ASL_Citizen/splits/{split}.csv").write_bytes(table)
    result = read(folder, size=SIZE)
    assert (result.format, facts(result.clips)) == ("asl_citizen", wanted)
