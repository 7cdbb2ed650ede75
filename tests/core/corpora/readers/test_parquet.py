"""Parquet: the rows of Kaggle's asl-signs, and our plain table of COCO-WholeBody keypoints."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.formats import asl_signs, coco_parquet
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted import parquet_rows
from core.corpora.readers.untrusted.parquet_rows import read_batches
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import PROFILES
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS, LEFT_HAND, RIGHT_HAND, TRUNK
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read

SIZE = (written.WIDTH, written.HEIGHT)
POINTS = holistic_keypoints(1, 3)[0]


def raw(path: Path, reader: Any = asl_signs, size: tuple[int, int] | None = SIZE) -> RawClip:
    """A file's joints in pixels, before they are normalised."""
    options = ReadOptions(PROFILES["wlasl"], size)
    return reader.read_clip(ClipFiles("clip", (path,)), options, ReadReport())


def test_landmarks_are_found_by_type_and_index(tmp_path: Path) -> None:
    path = written.write_asl_signs(tmp_path / "1.parquet", POINTS)
    rows = pq.read_table(path).to_pylist()
    joints = raw(path).video.joints

    def expected(kind: str, index: int) -> list[list[float]]:
        return [
            [row["x"] * SIZE[0], row["y"] * SIZE[1], 1]
            for row in rows
            if (row["type"], row["landmark_index"]) == (kind, index)
        ]

    np.testing.assert_allclose(joints[:, LEFT_HAND][:, 8], expected("left_hand", 8))
    np.testing.assert_allclose(joints[:, RIGHT_HAND][:, 20], expected("right_hand", 20))
    np.testing.assert_allclose(joints[:, TRUNK][:, 1], expected("pose", 11))


def test_rows_in_any_order_and_frames_without_hands(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[1, :, 2] = 0
    path = written.write_asl_signs(tmp_path / "1.parquet", points)
    table = pq.read_table(path)
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    pq.write_table(shuffled, tmp_path / "2.parquet")
    joints = raw(path).video.joints
    np.testing.assert_array_equal(joints, raw(tmp_path / "2.parquet").video.joints)
    report = read(path, size=SIZE).report
    assert (report.frames_kept, report.frames_without_hands) == (2, 1)


def kaggles_folder(folder: Path, *, sequences: tuple[str, ...] = ("11", "12", "21")) -> Path:
    """Two participants' sequences, and the table that says which sign each is."""
    for number in sequences:
        written.write_asl_signs(
            folder / "train_landmark_files" / number[0] / f"{number}.parquet", POINTS, first=int(number)
        )
    written.write_json(folder / "sign_to_prediction_index_map.json", {"tea": 0, "coffee": 1})
    with (folder / "train.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["path", "participant_id", "sequence_id", "sign"])
        for number, sign in (("11", "tea"), ("12", "coffee"), ("21", "tea")):
            rows.writerow([f"train_landmark_files/{number[0]}/{number}.parquet", number[0], number, sign])
    return folder


def test_kaggles_folder(tmp_path: Path) -> None:
    result = read(kaggles_folder(tmp_path / "asl-signs"), size=SIZE)
    assert result.format == "asl_signs"
    assert [(clip.name, clip.label, clip.signer) for clip in result.clips] == [
        ("train_landmark_files/1/11", "tea", "1"),
        ("train_landmark_files/1/12", "coffee", "1"),
        ("train_landmark_files/2/21", "tea", "2"),
    ]
    assert result.report.notes == ["1 other file was not read (.json)."]


def test_kaggles_folder_without_its_table_is_refused(tmp_path: Path) -> None:
    (kaggles_folder(tmp_path / "asl-signs") / "train.csv").unlink()
    with pytest.raises(CorpusError, match=r"the train\.csv with its sign is missing"):
        read(tmp_path / "asl-signs", size=SIZE)


def test_kaggles_landmarks_alone_are_refused(tmp_path: Path) -> None:
    folder = kaggles_folder(tmp_path / "asl-signs")
    with pytest.raises(CorpusError, match="Import the folder that holds both"):
        read(folder / "train_landmark_files", size=SIZE)


def test_a_sequence_that_is_missing_is_reported(tmp_path: Path) -> None:
    result = read(kaggles_folder(tmp_path / "asl-signs", sequences=("11",)), size=SIZE)
    assert len(result.clips) == 1
    assert (
        "2 names in train.csv without a clip: train_landmark_files/1/12, train_landmark_files/2/21."
        in result.report.notes
    )


NUM_ROWS = 3 * 543


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("landmark_index", np.full(NUM_ROWS, -1), "'landmark_index' of face must be from 0 to 467"),
        ("landmark_index", np.full(NUM_ROWS, 2**40), "got 1099511627776"),
        ("frame", np.repeat([-1, 0, 1], 543), "has the value -1"),
        ("frame", np.repeat([0, 0, 1], 543), "two rows for one point"),
        ("frame", np.repeat(["0", "1", "2"], 543), "'frame' must hold integers; it holds string"),
        ("frame", np.repeat([0.0, 1.0, 2.0], 543), "'frame' must hold integers; it holds double"),
        ("frame", [None] * NUM_ROWS, "'frame' must hold integers; it holds null"),
        ("frame", [None] + [1] * (NUM_ROWS - 1), r"is empty \(null\) in 1 rows"),
        ("x", ["0.5"] * NUM_ROWS, "'x' must hold numbers; it holds string"),
        ("type", ["foot"] * NUM_ROWS, "it holds 'foot'"),
        ("type", [1] * NUM_ROWS, "'type' must hold text; it holds int64"),
    ],
)
def test_impossible_rows_are_refused(tmp_path: Path, column: str, values: Any, message: str) -> None:
    path = written.write_asl_signs(tmp_path / "odd.parquet", POINTS, **{column: values})
    with pytest.raises(CorpusError, match=message):
        read(path, size=SIZE)


def test_pixels_are_refused(tmp_path: Path) -> None:
    pixels = written.write_asl_signs(tmp_path / "pixels.parquet", POINTS * (640, 480, 1))
    with pytest.raises(CorpusError, match=r"x and y are not fractions of the frame. Divide pixels"):
        raw(pixels)


def test_huge_frame_numbers_cost_nothing(tmp_path: Path) -> None:
    frames = np.repeat([0, 2**62, 2**63 - 1], 543)
    path = written.write_asl_signs(tmp_path / "1.parquet", POINTS, frame=frames)
    assert raw(path).num_frames == 3


def test_too_many_frames_are_refused(tmp_path: Path) -> None:
    num_rows = 50_001
    columns = {
        "frame": np.arange(num_rows),
        "type": ["pose"] * num_rows,
        "landmark_index": np.zeros(num_rows, dtype="i2"),
        "x": np.zeros(num_rows),
        "y": np.zeros(num_rows),
    }
    path = written.write_parquet(tmp_path / "long.parquet", columns)
    with pytest.raises(CorpusError, match="has 50001 frames; the limit is 50000"):
        read(path, size=SIZE)


def test_a_few_bytes_that_claim_many_rows_are_refused(tmp_path: Path) -> None:
    """Equal values compress to nothing: 10 million rows in some hundred kilobytes."""
    same = np.zeros(10_000_001, dtype="i1")
    columns = dict.fromkeys(("frame", "keypoint", "x", "y", "confidence"), same)
    path = written.write_parquet(tmp_path / "bomb.parquet", columns)
    assert path.stat().st_size < 300_000
    with pytest.raises(CorpusError, match="has 10000001 rows; the limit is 10000000"):
        read(path, size=SIZE)


@pytest.mark.slow
def test_a_long_text_in_many_rows_is_in_memory_once(tmp_path: Path) -> None:
    num_rows = 65_536
    same = np.zeros(num_rows, dtype="i1")
    columns = dict.fromkeys(("frame", "landmark_index", "x", "y"), same)
    path = written.write_parquet(tmp_path / "bomb.parquet", {**columns, "type": ["x" * 8000] * num_rows})
    before = pa.total_allocated_bytes()
    for batch in read_batches(path, {"type": "text"}):
        assert set(batch["type"]) == {"x" * 8000}
        assert pa.total_allocated_bytes() - before < 2**24


def test_much_text_in_few_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "MAX_COLUMN_BYTES", 2**20)
    columns = dict.fromkeys(("frame", "landmark_index", "x", "y"), np.zeros(12, dtype="i1"))
    texts = [f"{row}" + "x" * 100_000 for row in range(12)]
    path = written.write_parquet(tmp_path / "bomb.parquet", {**columns, "type": texts})
    assert path.stat().st_size < 100_000
    with pytest.raises(CorpusError, match=r"column 'type' has 1\d{6} bytes; the limit is 1048576"):
        read(path, size=SIZE)


def test_infinite_and_unknown_numbers_are_missing_points(tmp_path: Path) -> None:
    keypoints = coco_keypoints(4)
    keypoints[0, 0, 0], keypoints[1, 0, 1], keypoints[2, 0, 2] = np.inf, np.nan, np.nan
    keypoints[3, 0, 0] = 1e300
    (clip,) = read(written.write_coco_parquet(tmp_path / "1.parquet", keypoints), size=SIZE).clips
    assert (clip.clip.points[:, 42] == 0).all()
    assert np.isfinite(clip.clip.points).all()


def test_a_plain_table(tmp_path: Path) -> None:
    keypoints = coco_keypoints(3)
    num_rows = 3 * 133
    path = written.write_coco_parquet(
        tmp_path / "1.parquet",
        keypoints,
        width=[800] * num_rows,
        height=[600] * num_rows,
        fps=[25.0] * num_rows,
    )
    clip = raw(path, coco_parquet, None)
    np.testing.assert_array_equal(clip.video.joints, keypoints[:, list(COCO_WHOLEBODY_JOINTS)])
    assert (clip.video.width, clip.video.height, clip.frame_rate) == (800, 600, 25)
    assert read(path).format == "coco_wholebody_133"


def test_facts_of_the_clip_may_be_floats_and_unknown(tmp_path: Path) -> None:
    sides = {"width": [800.0, *[np.nan] * 398], "height": [600.0] * 399, "fps": [np.nan] * 399}
    path = written.write_coco_parquet(tmp_path / "1.parquet", coco_keypoints(3), **sides)
    clip = raw(path, coco_parquet, None)
    assert (clip.video.width, clip.video.height, clip.frame_rate) == (800, 600, None)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"width": [np.inf] * 399, "height": [480] * 399}, "must be between 2 and 1000000"),
        ({"keypoint": np.arange(399)}, "'keypoint' must be from 0 to 132; got 0 to 398"),
        ({"keypoint": np.arange(399) - 1}, "'keypoint' must be from 0 to 132"),
        ({"width": np.arange(399) + 2, "height": [480] * 399}, "'width' must be the same in all rows"),
        ({"width": [640] * 399, "height": [1] * 399}, "must be between 2 and 1000000"),
        ({"confidence": ["high"] * 399}, "'confidence' must hold numbers"),
        ({"x": np.zeros(399), "y": np.ones(399)}, "so they are not in pixels"),
    ],
)
def test_impossible_tables_are_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = written.write_coco_parquet(tmp_path / "odd.parquet", coco_keypoints(3), **columns)
    with pytest.raises(CorpusError, match=message):
        read(path, size=SIZE)


def test_a_plain_table_needs_a_frame_size(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="Set image_width and image_height"):
        read(written.write_coco_parquet(tmp_path / "1.parquet", coco_keypoints(3)))


def test_another_table_is_named(tmp_path: Path) -> None:
    path = written.write_parquet(tmp_path / "other.parquet", {"a": [1], "b": [2]})
    with pytest.raises(CorpusError, match=r"is Parquet, but must have .* it has a, b"):
        read(path)


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    path = written.write_coco_parquet(tmp_path / "none.parquet", np.zeros((0, 133, 3)))
    with pytest.raises(CorpusError, match="has no rows"):
        read(path, size=SIZE)


@pytest.mark.system
def test_pyarrow_is_loaded_when_it_is_needed() -> None:
    program = (
        "import sys, core.corpora.importing, core.jobs.tables.jobs, signforge.cli\n"
        "sys.exit(any(name in sys.modules for name in ('pyarrow', 'pose_format', 'pandas')))"
    )
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


def test_many_row_groups_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.parquet"
    pq.write_table(pa.table({"frame": range(50), "type": ["pose"] * 50}), path, row_group_size=1)
    monkeypatch.setattr(parquet_rows, "MAX_CHUNKS", 99)
    with pytest.raises(CorpusError, match="has 50 row groups of 2 columns; the limit is 99 in all"):
        parquet_rows.column_names(path)
    monkeypatch.setattr(parquet_rows, "MAX_FOOTER_BYTES", 1000)
    with pytest.raises(CorpusError, match=r"describes its content in \d+ bytes; the limit is 1000 bytes"):
        parquet_rows.column_names(path)


def test_facts_that_change_within_a_file_are_refused(tmp_path: Path) -> None:
    keypoints = coco_keypoints(3)
    each = np.repeat([1, 1, 2], 133)
    for columns, reason in (
        ({"clip": each}, "column 'clip' changes within the rows from '1' to '2'. Write a file per clip"),
        ({"Label": np.where(each > 1, "a", "b")}, "column 'Label' changes within the rows from 'b' to 'a'"),
    ):
        path = written.write_coco_parquet(tmp_path / "1.parquet", keypoints, **columns)
        with pytest.raises(CorpusError, match=reason):
            raw(path, coco_parquet)
    path = written.write_asl_signs(tmp_path / "2.parquet", POINTS, Signer=np.repeat([1.0, 1.0, 2.0], 543))
    with pytest.raises(CorpusError, match="column 'Signer' changes within the rows from '1' to '2'"):
        raw(path)


def test_facts_of_a_file(tmp_path: Path) -> None:
    clip = raw(written.write_asl_signs(tmp_path / "2.parquet", POINTS, gloss=["tea"] * NUM_ROWS))
    assert (clip.name, clip.label, clip.signer) == ("clip", "tea", None)


def test_keypoints_numbered_from_one_are_found(tmp_path: Path) -> None:
    rows = pq.read_table(written.write_coco_parquet(tmp_path / "0.parquet", coco_keypoints(3))).to_pydict()
    shifted = {
        name: [
            value + (name == "keypoint")
            for value, at in zip(values, rows["keypoint"], strict=True)
            if at < 132
        ]
        for name, values in rows.items()
    }
    (tmp_path / "0.parquet").unlink()
    path = written.write_parquet(tmp_path / "1.parquet", shifted)
    found = {each.kind.code: each for each in read(path, size=SIZE).report.findings()}
    assert found["keypoints-from-one"].is_refused(1)


@pytest.mark.parametrize("index", [2, -1])
def test_an_index_beyond_the_dictionary_is_refused(index: int) -> None:
    indices = pa.array([0, index], pa.int32())
    coded = pa.DictionaryArray.from_arrays(indices, pa.array(["a", "b"]), safe=False)
    with pytest.raises(CorpusError, match=r"1\.parquet is damaged: column 'type' names a value"):
        parquet_rows._words(Path("1.parquet"), coded, "type")


def test_categories_with_gaps_are_names(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(127)]
    indices = pa.array([5, None, 126], pa.int8())
    coded = pa.DictionaryArray.from_arrays(indices, pa.array(words))
    path = written.write_parquet(tmp_path / "1.parquet", {"label": coded})
    (batch,) = read_batches(path, {"label": "names"})
    assert batch["label"].tolist() == ["w5", "", "w126"]
