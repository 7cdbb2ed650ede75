"""MS-ASL's real annotations of one split, joined to poses of synthetic signers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CorpusError
from tests.core.corpora.readers.benchmarks.conftest import Write, profile_of, read

LIST = "MSASL_test_first_100_classes.json"


@pytest.fixture
def annotations(shared_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(shared_data / "annotations" / LIST, folder)
    return folder


@pytest.fixture
def entries(annotations: Path) -> list[dict[str, Any]]:
    return json.loads((annotations / LIST).read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize("style", ["test_{:05d}", "test_{}", "test/{:05d}", "test/{}"])
def test_clips_are_called_by_their_place_in_the_list(
    annotations: Path, entries: list[dict[str, Any]], write: Write, videos: list[np.ndarray], style: str
) -> None:
    for number in (0, 1, 60):
        write(f"poses/{style.format(number)}.pkl", videos[number % 10])
    result = read(annotations, size=None)
    assert result.format == "msasl"
    assert [clip.name for clip in result.clips] == ["test_00000", "test_00001", "test_00060"]
    for clip in result.clips:
        entry = entries[int(clip.name.removeprefix("test_"))]
        assert (clip.label, clip.split) == (entry["text"], "test")
        assert clip.signer == str(entry["signer_id"])
    assert dict(result.report.skipped) == {"no pose": len(entries) - 3}


def test_the_annotated_size_counts_where_the_pose_states_none(
    annotations: Path, entries: list[dict[str, Any]], write: Write, videos: list[np.ndarray]
) -> None:
    assert (entries[0]["width"], entries[1]["width"]) == (480, 1280)
    write("test_00000.pkl", videos[0])
    write("test_00001.pkl", videos[0])
    narrow, wide = read(annotations, size=None).clips
    np.testing.assert_allclose(
        480 * narrow.clip.points[0, 42, 0], 1280 * wide.clip.points[0, 42, 0], rtol=1e-5
    )
    noted = "For pose files without a frame size, the video size in the annotations was used."
    assert noted in read(annotations, size=None).report.notes
    assert noted not in read(annotations, size=(640, 480)).report.notes
    one, other = read(annotations, size=(640, 480)).clips
    np.testing.assert_array_equal(one.clip.points, other.clip.points)


def test_clips_may_be_called_by_video_and_frames(
    annotations: Path, entries: list[dict[str, Any]], write: Write, videos: list[np.ndarray]
) -> None:
    entries[3] |= {"url": "https://www.youtube.com/watch?v=C37R_Ix6-qs", "start": 10, "end": 40}
    (annotations / LIST).write_text(json.dumps(entries))
    write("C37R_Ix6-qs_10_40.pkl", videos[0])
    assert [clip.name for clip in read(annotations).clips] == ["test_00003"]


def test_several_lists_and_the_names_of_classes(
    annotations: Path, entries: list[dict[str, Any]], write: Write, videos: list[np.ndarray]
) -> None:
    (annotations / "MSASL_train.json").write_text(json.dumps(entries[:20]))
    (annotations / "MSASL_classes.json").write_text(json.dumps([f"gloss {number}" for number in range(100)]))
    for number, name in enumerate(("train_00007", "test_00008")):
        write(f"{name}.pkl", videos[number])
    result = read(annotations)
    assert [(clip.split, clip.label) for clip in result.clips] == [
        ("train", f"gloss {entries[7]['label']}"),
        ("test", f"gloss {entries[8]['label']}"),
    ]


def test_the_first_classes(
    annotations: Path, entries: list[dict[str, Any]], write: Write, videos: list[np.ndarray]
) -> None:
    for number in range(60):
        write(f"test_{number:05d}.pkl", videos[number % 10])
    result = read(annotations, classes=50)
    wanted = [number for number in range(60) if entries[number]["label"] < 50]
    assert [clip.name for clip in result.clips] == [f"test_{number:05d}" for number in wanted]
    assert 0 < len(wanted) < 60
    assert not any("to no listed clip" in note for note in result.report.notes)
    with pytest.raises(
        CorpusError, match=r"benchmark_classes \(--classes\) is 200, but the source has only 100 classes"
    ):
        read(annotations, classes=200)


def test_its_thresholds_are_msasls(annotations: Path, write: Write, videos: list[np.ndarray]) -> None:
    write("test_00000.pkl", videos[0])
    assert profile_of(annotations).name == "msasl"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (LIST, '[{"label": "book"}]', "/0/label"),
        (LIST, "[]", "The lists are empty"),
        ("MSASL_test.json", "[]", "are both MS-ASL's test list. Keep one"),
        ("MSASL_classes.json", "{}", r"MSASL_classes\.json does not have the published annotation format"),
    ],
)
def test_invalid_annotations_are_refused(annotations: Path, name: str, content: str, message: str) -> None:
    (annotations / name).write_text(content)
    with pytest.raises(CorpusError, match=message):
        read(annotations)


def test_classes_of_another_list_are_named(
    annotations: Path, entries: list[dict[str, Any]], write: Write, videos: list[np.ndarray]
) -> None:
    of_label = {entry["label"]: entry["text"] for entry in entries}
    names = [of_label[label] for label in range(100)]
    write("test_00000.pkl", videos[0])

    def notes_with(classes: list[str]) -> list[str]:
        (annotations / "MSASL_classes.json").write_text(json.dumps(classes))
        return [note for note in read(annotations).report.notes if "have another gloss" in note]

    assert notes_with(names) == []
    (note,) = notes_with(names[::-1])
    assert note.startswith(
        f"{len(entries)} clips have another gloss in MSASL_classes.json than their own text"
    )
    label, text = entries[0]["label"], entries[0]["text"]
    assert f"for example {names[::-1][label]!r} and {text!r}" in note


def test_a_size_that_is_not_used_is_not_noted(
    annotations: Path, entries: list[dict[str, Any]], write: Write, videos: list[np.ndarray]
) -> None:
    keypoints = videos[0].astype("f4")
    np.savez(annotations / "test_00000.npz", keypoints=keypoints, width=640, height=360)
    assert (entries[0]["width"], entries[0]["height"]) != (640, 360)
    assert not any(
        "video size in the annotations" in note for note in read(annotations, size=None).report.notes
    )
