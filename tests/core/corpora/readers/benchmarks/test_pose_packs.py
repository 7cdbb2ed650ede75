"""Pickles without lists, and what a benchmark's options do elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.readers.formats.pose_pickle import read_pose
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.benchmarks.conftest import Write, facts, read
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints
from tests.core.corpora.readers.conftest import read as read_source


def person(frame: np.ndarray, score: float) -> dict[str, Any]:
    """A person as MMPose 0.x returns one."""
    return {"keypoints": frame, "bbox": np.array([0, 0, 640, 480, score])}


def test_every_way_of_saving_a_clip_is_the_same_clip(write: Write, videos: list[np.ndarray]) -> None:
    video = videos[0]
    other = np.full_like(video[0], 0.5)
    saved = {
        "array": video,
        "people": video[:, None],
        "frames": list(video),
        "lists": video[:, :, :].tolist(),
        "dict": {"keypoints": video, "width": 640, "height": 480},
        "scores": {"keypoints": video[:, :, :2], "scores": video[:, :, 2]},
        "newer": {"keypoints": video[:, None, :, :2], "keypoint_scores": video[:, None, :, 2]},
        "results": [[person(other, 0.2), person(frame, 0.9)] for frame in video],
        "newer_results": [
            [{"keypoints": frame[:, :2], "keypoint_scores": frame[:, 2], "bbox": [0, 0, 9, 9]}]
            for frame in video
        ],
    }
    clips = {}
    for name, content in saved.items():
        (clip,) = read_source(write(f"{name}.pkl", content), size=(640, 480)).clips
        clips[name] = clip.clip.points
    for name, points in clips.items():
        np.testing.assert_allclose(points, clips["array"], atol=1e-5, err_msg=name)


def test_a_folder_of_signs(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> None:
    for number, name in enumerate(("book/1", "book/2", "drink/1")):
        write(f"{name}.pkl", videos[number])
    write("README.md", "hello")
    result = read_source(tmp_path / "data", size=(640, 480))
    assert result.format == "pose_pickle"
    assert facts(result.clips) == [
        ("book/1", "book", None, None),
        ("book/2", "book", None, None),
        ("drink/1", "drink", None, None),
    ]
    assert result.report.notes == ["1 other file was not read (.md)."]


def test_a_lone_pickle_in_a_folder_is_a_clip_or_a_pack(
    tmp_path: Path, write: Write, videos: list[np.ndarray]
) -> None:
    path = write("book/1.pkl", {"keypoints": videos[0]})
    (clip,) = read_source(tmp_path / "data", size=(640, 480)).clips
    assert (clip.name, clip.label) == ("book/1", "book")
    path.unlink()
    write("book/poses.pkl", {"a": videos[0], "b": videos[1]})
    assert [clip.name for clip in read(tmp_path / "data").clips] == ["a", "b"]


def test_a_single_damaged_pickle_is_refused(write: Write) -> None:
    with pytest.raises(
        CorpusError, match=r"must have the shape \(frames, 133, 3\), .* got \(5, 75, 3\) in a nd"
    ):
        read_source(write("clip.pkl", np.zeros((5, 75, 3))), size=(640, 480))
    with pytest.raises(CorpusError, match=r"clip\.pkl holds pathlib\.P"):
        read_source(write("clip.pkl", Path("a")))


def test_options_of_benchmarks_are_refused_elsewhere(tmp_path: Path) -> None:
    np.savez(tmp_path / "signs.npz", keypoints=holistic_keypoints(2, 3))
    for asked in ({"drop_last_frame": True}, {"benchmark_classes": 100}, {"exclude_clips": ["a"]}):
        spec = ImportSpec.model_validate({"name": "s", "source": str(tmp_path / "signs.npz"), **asked})
        with pytest.raises(
            CorpusError,
            match=r"has the format mediapipe_holistic, which is not a benchmark\. .* benchmark_classes",
        ):
            import_corpus(spec, tmp_path, SilentObserver())


@pytest.mark.parametrize("stray", [{"date": "today"}, {}, Path("a"), [1, 2], {"book": np.zeros(300)}])
@pytest.mark.parametrize("names", [("meta.pkl",), ("meta.pkl", "other.pkl")])
def test_pickles_about_something_else_are_left_aside(
    tmp_path: Path, write: Write, stray: object, names: tuple[str, ...]
) -> None:
    for name in names:
        write(name, stray)
    with pytest.raises(CorpusError, match=r"meta\.pkl (is a dict without 'keypoints'|is damaged|holds)"):
        read_source(write(names[0], stray).parent / names[0], size=(640, 480))
    np.savez(tmp_path / "data/a.npz", keypoints=coco_keypoints(3))
    result = read_source(tmp_path / "data", size=(640, 480))
    assert [clip.name for clip in result.clips] == ["a"]
    assert result.report.notes == [
        f"{len(names)} other {'file was' if len(names) == 1 else 'files were'} not read (.pkl)."
    ]


def test_a_pickle_of_a_clip_beside_another_format_is_ambiguous(tmp_path: Path, write: Write) -> None:
    write("b.pkl", coco_keypoints(3))
    np.savez(tmp_path / "data/a.npz", keypoints=coco_keypoints(3))
    with pytest.raises(CorpusError, match=r"a\.npz and b\.pkl\. Import each format separately"):
        read_source(tmp_path / "data", size=(640, 480))


def test_only_documented_sizes_are_used(write: Write) -> None:
    keypoints = coco_keypoints(3)
    for name, is_read in (("img_shape", True), ("original_shape", True), ("image_size", False)):
        path = write(f"{name}.pkl", {"keypoints": keypoints, name: (480, 640)})
        assert (read_pose(path, ReadReport()).image_size == (640, 480)) is is_read
