"""Damaged, mislabelled and hostile files of every format: refused, or skipped in a folder, with reasons."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import CorpusError
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read

SIZE = (written.WIDTH, written.HEIGHT)
POINTS = holistic_keypoints(1, 2)[0]


def write_npz(path: Path) -> Path:
    np.savez_compressed(path, keypoints=coco_keypoints(2).astype("f4"))
    return path


def write_pickle(path: Path) -> Path:
    path.write_bytes(pickle.dumps({"keypoints": coco_keypoints(2).astype("f4")}))
    return path


def write_npy(path: Path) -> Path:
    points = np.zeros((2, 543, 2))
    points[:, :75] = POINTS[:, [*range(33), *range(54, 75), *range(33, 54)], :2]
    np.save(path, points)
    return path


def write_dwpose(path: Path) -> Path:
    video = coco_keypoints(2).astype("f4")
    points = video[:, [*range(18), *range(91, 133), *range(68)]]
    np.savez_compressed(
        path, all_xy=points[:, :, :2], all_score=points[:, :, 2], frame_size=np.array(SIZE), fps=25.0
    )
    return path


def write_openhands(path: Path) -> Path:
    path.write_bytes(pickle.dumps({"keypoints": POINTS[:, :, :2], "confidences": POINTS[:, :, 2]}))
    return path


def write_wide(path: Path) -> Path:
    names = [f"{part}_{index}" for part in ("left_hand", "right_hand") for index in range(21)]
    table = {
        f"{axis}_{name}": POINTS[:, 33 + at, number]
        for at, name in enumerate(names)
        for number, axis in enumerate("xy")
    }
    return written.write_parquet(path, table)


FILES: dict[str, Callable[[Path], Path]] = {
    ".npz": write_npz,
    ".dwpose.npz": write_dwpose,
    ".npy": write_npy,
    ".pkl": write_pickle,
    ".openhands.pkl": write_openhands,
    ".pose": lambda path: written.write_pose(path, coco_keypoints(2)),
    ".mmpose.json": lambda path: written.write_mmpose(path, coco_keypoints(2)),
    ".tasks.json": lambda path: written.write_tasks(path, POINTS),
    ".asl.parquet": lambda path: written.write_asl_signs(path, POINTS),
    ".wide.parquet": write_wide,
    ".coco.parquet": lambda path: written.write_coco_parquet(path, coco_keypoints(2)),
}
"""How a file of a clip of each format is made."""
kinds = pytest.mark.parametrize("kind", FILES)


@kinds
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_file_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    path = FILES[kind](tmp_path / f"clip{kind}")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CorpusError, match=r"clip\."):
        read(path, size=SIZE)


@kinds
@pytest.mark.parametrize("content", [b"", b"no pose", b"{}", b"[" * 100_000, b"PAR1", b"\0" * 4000])
def test_in_a_folder_what_is_no_clip_is_skipped(tmp_path: Path, kind: str, content: bytes) -> None:
    FILES[kind](tmp_path / f"a{kind}")
    suffix = Path(kind).suffix or kind
    (tmp_path / f"b{suffix}").write_bytes(content)
    result = read(tmp_path, size=SIZE)
    assert len(result.clips) == 1
    assert dict(result.report.skipped) == {"unreadable": 1}
    assert f"b{suffix}" in result.report.examples[0]


@kinds
def test_a_suffix_that_lies_changes_nothing_for_a_single_file(tmp_path: Path, kind: str) -> None:
    path = FILES[kind](tmp_path / f"clip{kind}")
    lying = shutil.copy(path, tmp_path / ("clip.json" if kind == ".pose" else "clip.pose"))
    assert read(Path(lying), size=SIZE).format == read(path, size=SIZE).format


@kinds
def test_another_format_than_asked_for_is_refused(tmp_path: Path, kind: str) -> None:
    path = FILES[kind](tmp_path / f"clip{kind}")
    with pytest.raises(CorpusError, match=r"not openpose_json. Set format \(--format\) to 'auto'"):
        read(path, size=SIZE, wanted="openpose_json")


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"people":[', '{"people":['])
def test_json_nested_without_end_is_refused(tmp_path: Path, opening: str) -> None:
    path = tmp_path / "deep.json"
    path.write_text(opening * 100_000)
    with pytest.raises(CorpusError, match=r"deep\.json is damaged"):
        read(path, size=SIZE)


def test_a_giant_json_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "giant.json"
    with path.open("wb") as stream:
        stream.write(b'{"people": [')
        stream.truncate(2**34)  # takes no room on disk
    with pytest.raises(CorpusError, match=r"has 17179869184 bytes; the limit for a JSON file is 67108864"):
        read(path, size=SIZE)


def test_a_giant_pose_file_is_refused_unread(tmp_path: Path) -> None:
    path = written.write_pose(tmp_path / "giant.pose", coco_keypoints(2))
    with path.open("r+b") as stream:
        stream.truncate(2**34)
    with pytest.raises(CorpusError, match="the limit is 268435456 bytes"):
        read(path, size=SIZE)


@pytest.mark.parametrize("document", [{}, {"a": 1}, [1, 2], [], [{}], [[{"bbox": []}]], {"frames": 3}])
def test_json_of_something_else_says_what_is_read(tmp_path: Path, document: object) -> None:
    path = written.write_json(tmp_path / "other.json", document)
    with pytest.raises(CorpusError, match=r"other\.json is JSON of an unknown kind"):
        read(path, size=SIZE)


def test_two_formats_in_one_folder_are_refused(tmp_path: Path) -> None:
    for kind in (".pose", ".asl.parquet"):
        FILES[kind](tmp_path / f"clip{kind}")
    with pytest.raises(
        CorpusError,
        match=r"clips of two formats, clip\.pose and clip\.asl\.parquet\. Import each format separately",
    ):
        read(tmp_path, size=SIZE)


def test_two_formats_of_one_suffix_leave_the_second_out(tmp_path: Path) -> None:
    FILES[".mmpose.json"](tmp_path / "a.json")
    FILES[".tasks.json"](tmp_path / "b.json")
    result = read(tmp_path, size=SIZE)
    assert [clip.name for clip in result.clips] == ["a"]
    assert "b.json does not hold MMPose's predictions" in result.report.examples[0]


@kinds
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_damaged_is_refused_or_still_a_clip(
    kind: str, tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / f"valid{kind}"
    content = bytearray((path if path.exists() else FILES[kind](path)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content) - 1, 2000)) | st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    damaged = tmp_path / f"damaged{kind}"
    damaged.write_bytes(content)
    try:
        clips = read(damaged, size=SIZE).clips
    except CorpusError as error:
        assert "damaged" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert all(np.isfinite(clip.clip.points).all() for clip in clips)
