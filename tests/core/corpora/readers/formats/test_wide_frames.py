"""Tables with one row a frame, in CSV and in Parquet, of one clip or of many."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import holistic_keypoints, read

SIZE = (640, 480)
PARTS = {"pose": (0, 33), "left_hand": (33, 21), "right_hand": (54, 21)}
Table = dict[str, list[Any]]
Write = Callable[[Path, Table], Path]


def table_of(points: np.ndarray, *, axis_last: bool = False, **more: Any) -> Table:
    """Points (T, 75, 3) as columns; empty where the confidence is 0, with a face that is not read."""
    found = np.where(points[:, :, 2:] > 0, points[:, :, :2], np.nan)
    table = {name: list(values) for name, values in more.items()}
    for part, (first, size) in PARTS.items():
        for index in range(size):
            for axis, letter in enumerate("xy"):
                name = f"{part}_{index}_{letter}" if axis_last else f"{letter}_{part}_{index}"
                table[name] = found[:, first + index, axis].tolist()
    return table | {"x_face_0": [0.5] * len(points), "z_pose_0": [0.1] * len(points)}


def write_csv(path: Path, table: Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table)
        for row in zip(*table.values(), strict=True):
            writer.writerow("" if value != value else value for value in row)
    return path


def write_parquet(path: Path, table: Table) -> Path:
    return written.write_parquet(path, table)


both = pytest.mark.parametrize(
    ("write", "suffix"), [(write_csv, ".csv"), (write_parquet, ".parquet")], ids=["csv", "parquet"]
)


def expected(points: np.ndarray) -> Any:
    """The clip, with each COCO-WholeBody keypoint taken from its MediaPipe point."""
    keypoints = np.zeros((len(points), 133, 3))
    order = {0: 0, 5: 11, 6: 12, 7: 13, 8: 14, 9: 15, 10: 16}
    order |= {91 + joint: 33 + joint for joint in range(21)}
    order |= {112 + joint: 54 + joint for joint in range(21)}
    for coco, point in order.items():
        keypoints[:, coco] = points[:, point] * (640, 480, 1)
    return normalise(keypoints, width=640, height=480, profile=PROFILES["wlasl"]).clip


def why_refused(path: Path) -> str:
    """The error; of a table of many clips, the reason for which its first clip was skipped."""
    try:
        result = read(path, size=SIZE)
    except CorpusError as error:
        return str(error)
    assert result.report.num_skipped
    return result.report.examples[0]


def check(source: Any, points: np.ndarray) -> None:
    wanted = expected(points)
    np.testing.assert_allclose(source.clip.points, wanted.points, atol=1e-6)
    np.testing.assert_array_equal(source.clip.visible, wanted.visible)


@pytest.fixture
def clips() -> np.ndarray:
    points: np.ndarray = holistic_keypoints(3, 6)
    points[0, 2, 33:54] = 0  # no left hand
    return points


@both
@pytest.mark.parametrize("axis_last", [False, True])
def test_a_table_of_one_clip(
    tmp_path: Path, clips: np.ndarray, write: Write, suffix: str, axis_last: bool
) -> None:
    path = write(tmp_path / f"tea{suffix}", table_of(clips[0], axis_last=axis_last))
    result = read(path, size=SIZE)
    assert result.format == "wide_frames"
    assert [clip.name for clip in result.clips] == ["tea"]
    check(result.clips[0], clips[0])


@both
def test_a_folder_of_tables_of_one_clip(tmp_path: Path, clips: np.ndarray, write: Write, suffix: str) -> None:
    for name, points in zip(("book/1", "tea/1", "tea/2"), clips, strict=True):
        write(tmp_path / f"{name}{suffix}", table_of(points))
    (tmp_path / "notes.csv").write_text("something,else\n1,2\n")
    result = read(tmp_path, size=SIZE)
    assert [(clip.name, clip.label) for clip in result.clips] == [
        ("book/1", "book"),
        ("tea/1", "tea"),
        ("tea/2", "tea"),
    ]


@both
def test_rows_are_sorted_by_their_frame(tmp_path: Path, clips: np.ndarray, write: Write, suffix: str) -> None:
    frames = [4, 2, 9, 3, 5, 6]
    path = write(tmp_path / f"tea{suffix}", table_of(clips[1], frame=frames))
    result = read(path, size=SIZE)
    check(result.clips[0], clips[1][np.argsort(frames)])
    assert result.report.frames_missing == 2


@both
def test_a_table_of_many_clips(tmp_path: Path, clips: np.ndarray, write: Write, suffix: str) -> None:
    ids = [7] * 6 + [3] * 6 + [5] * 6
    facts = {"sign": ["tea"] * 6 + ["book"] * 12, "participant_id": [1] * 12 + [2] * 6}
    table = table_of(clips.reshape(18, 75, 3), sequence_id=ids, frame=[*range(6)] * 3, **facts)
    result = read(write(tmp_path / f"all{suffix}", table), size=SIZE)
    assert [(clip.name, clip.label, clip.signer) for clip in result.clips] == [
        ("7", "tea", "1"),
        ("3", "book", "1"),
        ("5", "book", "2"),
    ]
    for source, points in zip(result.clips, clips, strict=True):
        check(source, points)


@both
def test_a_folder_of_tables_of_many_clips(
    tmp_path: Path, clips: np.ndarray, write: Write, suffix: str
) -> None:
    for number, points in enumerate(clips):
        write(tmp_path / f"parts/{number}{suffix}", table_of(points, clip=["a"] * 3 + ["b"] * 3))
    (tmp_path / "labels.csv").write_text("name,label,split\n0/b,book,test\n2/b,cup,test\n")
    result = read(tmp_path, size=SIZE)
    assert [(clip.name, clip.label, clip.split) for clip in result.clips][:2] == [
        ("0/a", None, None),
        ("0/b", "book", "test"),
    ]
    assert len(result.clips) == 6
    check(result.clips[5], clips[2][3:])


def test_visibility_is_the_confidence_of_the_pose(tmp_path: Path, clips: np.ndarray) -> None:
    clips[1, :, 11, 2] = 0.25
    table = table_of(clips[1])
    for index in range(33):
        table[f"visibility_pose_{index}"] = clips[1, :, index, 2].tolist()
    check(read(write_csv(tmp_path / "tea.csv", table), size=SIZE).clips[0], clips[1])


def test_hands_alone_leave_the_trunk_unknown(tmp_path: Path, clips: np.ndarray) -> None:
    table = {name: cells for name, cells in table_of(clips[1]).items() if "pose" not in name}
    (source,) = read(write_csv(tmp_path / "tea.csv", table), size=SIZE).clips
    assert not source.clip.visible[:, 42:].any()
    assert source.clip.visible[:, :42].all()


@both
def test_invalid_rows_are_refused(tmp_path: Path, clips: np.ndarray, write: Write, suffix: str) -> None:
    def refused(message: str, **more: Any) -> None:
        path = write(tmp_path / f"tea{suffix}", table_of(clips[1], **more))
        assert re.search(message, why_refused(path))

    refused("two frames with the same 'frame'", frame=[1, 2, 3, 3, 4, 5])
    refused("'Frame' must be a number in each frame; got inf", Frame=[1, 2, float("inf"), 4, 5, 6])
    refused("must be a number in each frame; got nothing", frame=[1, 2, float("nan"), 4, 3, 6])
    refused("two frames with the same 'timestamp'", timestamp=[0, 1, 2, 0, 1, 2])
    refused("'label' changes within the rows from 'a' to 'b'", label=list("aaabbb"))
    refused(
        "'signer' changes within the rows of clip 'c' from '1' to '2'", clip=["c"] * 6, signer=list("111222")
    )
    refused("clip 'a' are not together. Sort the table by 'clip'", clip=list("aabbaa"))
    refused("'clip' is empty in a row", clip=["a", "a", "a", "", "a", "a"])


def test_damaged_csv_is_refused(tmp_path: Path, clips: np.ndarray) -> None:
    path = write_csv(tmp_path / "tea.csv", table_of(clips[1]))
    lines = path.read_text().splitlines()
    for damaged, message in (
        ([*lines[:3], lines[3] + ",1"], r"tea\.csv, line 4: it has 153 cells; the header has 152"),
        ([*lines[:3], "x" + lines[3][1:]], r"tea\.csv, line 4: expected a number; got 'x"),
        (lines[:1], "has no rows"),
        ([lines[0].replace("x_face_0", "x_pose_0"), *lines[1:]], "several columns 'x_pose_0'"),
    ):
        path.write_text("\n".join(damaged))
        with pytest.raises(CorpusError, match=message):
            read(path, size=SIZE)


@both
def test_pixels_are_refused(tmp_path: Path, clips: np.ndarray, write: Write, suffix: str) -> None:
    path = write(tmp_path / f"tea{suffix}", table_of(clips[1] * (640, 480, 1)))
    with pytest.raises(CorpusError, match="not fractions of the frame"):
        read(path, size=SIZE)


def test_a_frame_too_many_is_refused(tmp_path: Path) -> None:
    points = np.full((50_001, 75, 3), 0.5)
    table = {name: np.zeros(len(points)) for name in table_of(points[:1])}
    path = written.write_parquet(tmp_path / "long.parquet", table)
    with pytest.raises(CorpusError, match="has 50001 frames; the limit is 50000"):
        read(path, size=SIZE)


@both
@pytest.mark.parametrize("name", ["sequence_id", "Sequence_ID", "clip_name", "ClipName", "filename", "seq"])
def test_columns_that_tell_the_clip(
    tmp_path: Path, clips: np.ndarray, write: Write, suffix: str, name: str
) -> None:
    facts = {name: ["a"] * 6 + ["b"] * 6 + ["c"] * 6, "Gloss": ["tea"] * 5 + [""] + ["cup"] * 12}
    result = read(write(tmp_path / f"all{suffix}", table_of(clips.reshape(18, 75, 3), **facts)), size=SIZE)
    assert [(clip.name, clip.label) for clip in result.clips] == [("a", "tea"), ("b", "cup"), ("c", "cup")]
    check(result.clips[2], clips[2])


@both
@pytest.mark.parametrize("name", ["Frame", "frame_number", "FrameId", "timestamp", "Time"])
def test_columns_that_order_rows(
    tmp_path: Path, clips: np.ndarray, write: Write, suffix: str, name: str
) -> None:
    order = [4, 2, 0, 3, 5, 1]
    (clip,) = read(
        write(tmp_path / f"tea{suffix}", table_of(clips[1][order], **{name: order})), size=SIZE
    ).clips
    check(clip, clips[1])


@both
def test_facts_of_a_table_of_one_clip(tmp_path: Path, clips: np.ndarray, write: Write, suffix: str) -> None:
    facts = {"label": [""] + ["tea"] * 5, "signer": [7] * 6}
    path = write(tmp_path / f"a/book/1{suffix}", table_of(clips[1], **facts))
    alone, below = read(path, size=SIZE), read(tmp_path / "a", size=SIZE)
    assert [(clip.label, clip.signer) for clip in (*alone.clips, *below.clips)] == [
        ("tea", "7"),
        ("book", "7"),
    ]


@both
def test_unread_columns_that_change_are_named(
    tmp_path: Path, clips: np.ndarray, write: Write, suffix: str
) -> None:
    more = {
        "take": list("aaabbb"),
        "tool": ["mp"] * 6,
        "score": [str(n / 9) for n in range(6)],
        "fine": [1.5] * 6,
    }
    (note,) = read(write(tmp_path / f"tea{suffix}", table_of(clips[1], **more)), size=SIZE).report.notes
    assert note.startswith(
        f"Columns of text in tea{suffix} that change and were not read: take. If one tells"
    )


def test_labels_of_pandas_in_parquet(tmp_path: Path, clips: np.ndarray) -> None:
    ids = [0] * 6 + [1] * 6 + [2] * 6
    points = clips.reshape(18, 75, 3)
    for labels, wanted in (
        ([1.0] * 12 + [None] * 6, ["1", "1", None]),
        (["a"] * 12 + [None] * 6, ["a", "a", None]),
        ([3] * 12 + [None] * 6, ["3", "3", None]),
    ):
        path = write_parquet(tmp_path / "all.parquet", table_of(points, clip=ids, label=labels))
        assert [clip.label for clip in read(path, size=SIZE).clips] == wanted
    path = write_parquet(tmp_path / "all.parquet", table_of(points, clip=ids, label=[1.5] * 18))
    with pytest.raises(CorpusError, match="'label' must hold text or whole numbers; it holds fractions"):
        read(path, size=SIZE)


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (",", "utf-8-sig")])
def test_tables_of_spreadsheets(tmp_path: Path, clips: np.ndarray, separator: str, encoding: str) -> None:
    path = write_csv(tmp_path / "tea.csv", table_of(clips[1]))
    path.write_bytes(path.read_text().replace(",", separator).encode(encoding))
    check(read(path, size=SIZE).clips[0], clips[1])
