"""`MP_Data` folders of one vector a frame."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import CorpusError
from core.specs.source_formats import VectorPart
from tests.core.corpora.readers.conftest import read


@pytest.mark.parametrize(
    ("folder", "labels"),
    [
        ("signwish_258", ["father", "hungry"]),
        ("traduttore_258", ["coffee", "coffee", "coffee", "hello", "hello"]),
        ("traduttore_126", ["b", "b"]),
    ],
)
def test_real_folders(shared_data: Path, folder: str, labels: list[str]) -> None:
    result = read(shared_data / "formats" / folder, size=(640, 480))
    assert result.format == "mp_data"
    assert [clip.label for clip in result.clips] == labels
    assert all(np.isfinite(clip.clip.points).all() for clip in result.clips)


def test_hands_alone_leave_the_trunk_unknown(shared_data: Path) -> None:
    result = read(shared_data / "formats" / "traduttore_126")
    assert result.report.as_json()["clips_without_body"] == result.report.clips_read == 2
    for source in result.clips:
        assert (source.clip.points[:, 42:] == 0).all()
        assert not source.clip.visible[:, 42:].any()
        assert source.clip.visible[:, :42].any(1).all()
    assert (
        "Frames of 126 values have only the hands: the trunk is zero and not visible." in result.report.notes
    )


def frame(seed: int, num_values: int = 258) -> np.ndarray:
    """A frame's vector whose nose is at x = seed / 100."""
    values = np.random.default_rng(seed).uniform(0.3, 0.7, num_values)
    values[0], values[3] = seed / 100, 1
    return values


def write_take(folder: Path, frames: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for name, values in frames.items():
        np.save(folder / f"{name}.npy", values)


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_take(tmp_path / "tea" / "0", {str(n): frame(n) for n in (10, 9, 2, 100)})
    write_take(tmp_path / "tea" / "1", {f"frame_{n}": frame(n) for n in (11, 3)})
    clips = read(tmp_path).clips
    noses = [np.round(100 * clip.clip.points[:, 42, 0]).tolist() for clip in clips]
    assert noses == [[2, 9, 10, 100], [3, 11]]
    assert [clip.name for clip in clips] == ["tea/0", "tea/1"]


def test_a_face_between_pose_and_hands_changes_nothing(tmp_path: Path) -> None:
    plain = frame(5)
    with_face = np.concatenate([plain[:132], np.full(1404, 0.123), plain[132:]])
    write_take(tmp_path / "plain" / "tea" / "0", {"0": plain})
    write_take(tmp_path / "face" / "tea" / "0", {"0": with_face.reshape(1, -1)})
    (first,), (second,) = read(tmp_path / "plain").clips, read(tmp_path / "face").clips
    np.testing.assert_array_equal(first.clip.points, second.clip.points)


def test_damaged_takes_are_skipped_and_counted(tmp_path: Path) -> None:
    write_take(tmp_path / "tea" / "good", {"0": frame(1)})
    write_take(tmp_path / "tea" / "mixed", {"0": frame(1), "1": frame(1, 126)})
    write_take(tmp_path / "tea" / "odd", {"0": frame(1, 100)})
    write_take(tmp_path / "tea" / "unnumbered", {"first": frame(1)})
    write_take(tmp_path / "tea" / "text", {"0": np.array(["x"] * 258)})
    (tmp_path / "tea" / "pickled").mkdir()
    np.save(tmp_path / "tea" / "pickled" / "0.npy", np.array([{}] * 258), allow_pickle=True)
    (tmp_path / "tea" / "empty").mkdir()
    (tmp_path / "tea" / "empty" / "0.npy").write_bytes(b"")

    result = read(tmp_path)

    assert [clip.name for clip in result.clips] == ["tea/good"]
    assert dict(result.report.skipped) == {"unreadable": 6}
    assert any("pickled objects, which are never loaded" in example for example in result.report.examples)


def test_frames_that_are_not_in_a_take_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", frame(1))
    with pytest.raises(CorpusError, match=r"<sign>/<take>/<frame>\.npy"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["plain.npy", "folder/plain.npy", "tea/1/0.npy"])
def test_points_of_a_clip_are_not_a_frame(tmp_path: Path, name: str) -> None:
    path = tmp_path / "source" / name
    path.parent.mkdir(parents=True)
    np.save(path, np.zeros((61, 133, 3)))
    source = path if name == "plain.npy" else tmp_path / "source"
    expected = rf"{name} has the shape \(61, 133, 3\), .*\.npz with keypoints, width and height"
    with pytest.raises(CorpusError, match=expected):
        read(source)


def test_a_wrong_frame_among_right_ones_is_named_with_its_shape(tmp_path: Path) -> None:
    write_take(tmp_path / "tea" / "good", {"0": frame(1)})
    write_take(tmp_path / "tea" / "wrong", {"0": np.zeros((61, 133, 3))})
    (example,) = read(tmp_path, size=(640, 480)).report.examples
    assert "tea/wrong/0.npy holds float64 of shape (61, 133, 3); a frame must have 126" in example


@pytest.mark.parametrize("num_values", [126, 258])
def test_a_take_in_pixels_is_skipped(tmp_path: Path, num_values: int) -> None:
    write_take(tmp_path / "tea" / "good", {"0": frame(1, num_values)})
    write_take(tmp_path / "tea" / "pixels", {"0": frame(1, num_values) * 640})
    result = read(tmp_path)
    assert [clip.name for clip in result.clips] == ["tea/good"]
    assert "tea/pixels/0.npy: half of all points have coordinates above" in result.report.examples[0]


@pytest.mark.parametrize(
    ("case", "order"),
    [
        ("face_pose_lh_rh", ("face", "pose", "left_hand", "right_hand")),
        ("pose_rh_lh", ("pose", "right_hand", "left_hand")),
    ],
)
def test_another_order_of_the_parts_is_proposed_and_read(
    shared_data: Path, case: str, order: tuple[VectorPart, ...]
) -> None:
    folder = shared_data / "cases" / "mp-data-order"
    (expected,) = read(folder / "right").clips
    (proposed,) = read(folder / case).report.findings()
    assert proposed.kind.code == "other-part-order"
    assert proposed.examples[0].endswith(f"; --part-order {','.join(order)} agrees")
    result = read(folder / case, part_order=order)
    np.testing.assert_array_equal(result.clips[0].clip.points, expected.clip.points)
    assert result.report.findings() == []


def test_an_order_must_name_all_parts(shared_data: Path) -> None:
    result = read(shared_data / "formats" / "traduttore_258", part_order=("pose", "face", "left_hand"))
    assert result.clips == []
    assert "does not name right_hand" in result.report.examples[0]
