"""Telling formats apart, and saying what is wrong with what cannot be read."""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import CorpusError
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read

Save = Callable[..., Path]


def npz_of(path: Path, name: str, content: bytes) -> Path:
    """A zip with one member, whatever it holds."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """A .npy file with a header of one's own."""
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + data


def test_a_format_that_was_asked_for_must_be_the_one_there_is(saved: Save) -> None:
    path = saved("signs.npz", keypoints=holistic_keypoints(1, 3))
    assert read(path, wanted="mediapipe_holistic").clips
    with pytest.raises(CorpusError, match=r"signs\.npz has the format mediapipe_holistic, not mp_data"):
        read(path, wanted="mp_data")


def test_an_upload_needs_no_ending(saved: Save) -> None:
    path = saved("clip.npz", keypoints=coco_keypoints(3), width=640, height=480)
    assert read(path.rename(path.with_suffix(""))).clips


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name in ("LICENSE", "video.mp4", "notes.txt"):
        (tmp_path / name).write_text("about something else")
    with pytest.raises(CorpusError, match=r"no pose files \(3 other files: \.mp4, \.txt, LICENSE\)"):
        read(tmp_path)
    with pytest.raises(CorpusError, match=r"video\.mp4 has no supported format"):
        read(tmp_path / "video.mp4")


def test_frames_beside_clips_are_ambiguous(saved: Save, tmp_path: Path) -> None:
    saved("a/b/0.npz", keypoints=coco_keypoints(1))
    np.save(tmp_path / "a" / "b" / "0.npy", np.zeros(258))
    with pytest.raises(CorpusError, match=r"0\.npy and 0\.npz\. Import each format separately"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (999999999, 133, 3), }",
            "states 3191999996808",
        ),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 133, 3), }", "states -3192"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1, 133, 3), }", "pickled objects"),
        ("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1, 133, 3), }", "pickled objects"),
        ("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1, 133, 3), }", "descr"),
        ("(" * 300, "is damaged"),
        ("{'descr': '<f8'", "is damaged"),
        ("", "is damaged"),
    ],
)
def test_a_hostile_array_header_is_refused(tmp_path: Path, header: str, message: str) -> None:
    path = npz_of(tmp_path / "evil.npz", "keypoints.npy", npy(header, b"\0" * 100))
    with pytest.raises(CorpusError, match=message) as caught:
        read(path, size=(640, 480))
    assert "evil.npz (keypoints) is damaged" in str(caught.value)


def test_another_version_of_npy_is_refused(tmp_path: Path) -> None:
    path = npz_of(tmp_path / "new.npz", "keypoints.npy", npy("{}", version=b"\x03\x00"))
    with pytest.raises(CorpusError, match=r"version 3\.0 of the \.npy format"):
        read(path)


def test_pickled_keypoints_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", keypoints=np.array([{}], dtype=object))
    with pytest.raises(CorpusError, match=r"evil\.npz \(keypoints\) is damaged: it holds pickled objects"):
        read(tmp_path / "evil.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08\0broken", b"PK\x03\x04"])
def test_files_that_are_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"upload (is empty|has no supported format)"):
        read(path)


def test_arrays_of_zeros_alone_are_no_pose_files(tmp_path: Path) -> None:
    for number in range(3):
        path = tmp_path / "tea" / "1" / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(2000))
    with pytest.raises(CorpusError, match=r"0\.npy has no supported format, or is damaged"):
        read(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no file or folder .*nothing"):
        read(tmp_path / "nothing")


@settings(deadline=None, max_examples=120)
@given(data=st.data())
def test_a_damaged_file_is_a_corpus_error_or_still_a_corpus(valid: Path, data: st.DataObject) -> None:
    content = bytearray(valid.read_bytes())
    cut = data.draw(st.integers(0, len(content)))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = valid.with_name("damaged.npz")
    damaged.write_bytes(content[:cut] if data.draw(st.booleans()) else content)
    try:
        clips = read(damaged).clips
    except CorpusError as error:
        assert "damaged.npz" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert all(np.isfinite(clip.clip.points).all() for clip in clips)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("valid") / "valid.npz"
    np.savez_compressed(
        path,
        keypoints=coco_keypoints(4).astype("f2"),
        offsets=[0, 2, 4],
        width=640,
        height=480,
        labels=[0, 1],
        class_names=["coffee", "tea"],
    )
    return path


def test_a_table_beside_a_file_of_many_clips_is_not_advised(saved: Callable[..., Path]) -> None:
    path = saved("all/a.npz", keypoints=holistic_keypoints(2, 3))
    (path.parent / "labels.csv").write_text("name,label\n000000,tea\n")
    notes = read(path.parent, size=(640, 480)).report.notes
    assert "1 other file was not read (.csv)." in notes
    assert any(
        "labels.csv was not used, because a file of many clips has its own columns" in n for n in notes
    )
    assert not any("--labels" in note for note in notes)


def test_arrays_in_fortran_order_are_read(saved: Callable[..., Path], tmp_path: Path) -> None:
    size = {"width": 640, "height": 480}
    one, many, of_mediapipe = coco_keypoints(40), coco_keypoints(40, 1), holistic_keypoints(40, 3)
    for arrays in (
        {"keypoints": one, **size},
        {"keypoints": many, "offsets": list(range(41)), **size},  # more clips than are read at once
        {"keypoints": of_mediapipe, **size},
    ):
        wanted = read(saved("c.npz", **arrays)).clips
        found = read(saved("f.npz", **arrays | {"keypoints": np.asfortranarray(arrays["keypoints"])})).clips
        assert len(found) == len(wanted)
        for clip, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(clip.clip.points, other.clip.points)
    points = np.random.default_rng(0).uniform(0.3, 0.7, (5, 543, 2))
    np.save(tmp_path / "c.npy", points)
    np.save(tmp_path / "f.npy", np.asfortranarray(points))
    (wanted_clip,), (found_clip,) = (read(tmp_path / f"{n}.npy", size=(640, 480)).clips for n in "cf")
    np.testing.assert_array_equal(found_clip.clip.points, wanted_clip.clip.points)
