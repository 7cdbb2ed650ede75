"""One recording gives one clip, whatever format it is written in."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.corpora.source import SourceClip
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read
from tests.core.corpora.readers.formats.test_dwpose import one_person as dwpose_one_person
from tests.core.corpora.readers.formats.test_dwpose import people as dwpose_people
from tests.core.corpora.readers.formats.test_wide_frames import table_of, write_csv, write_parquet

Save = Callable[..., Path]
SIZE = (written.WIDTH, written.HEIGHT)


def assert_same(clip: SourceClip, expected: SourceClip) -> None:
    np.testing.assert_allclose(clip.clip.points, expected.clip.points, atol=1e-5)
    np.testing.assert_array_equal(clip.clip.visible, expected.clip.visible)


@pytest.mark.parametrize("source", ["pose", "openpose", "mmpose", "parquet", "scores", "predictions"])
def test_of_pixels(tmp_path: Path, saved: Save, source: str) -> None:
    keypoints = coco_keypoints(5)
    keypoints[1, :, 2] = 0  # a frame without hands
    keypoints[2, 112:, 2] = 0
    (expected,) = read(saved("plain.npz", keypoints=keypoints), size=SIZE).clips
    frames = [[{"keypoints": frame.tolist()}] for frame in keypoints]
    path = {
        "pose": lambda: written.write_pose(tmp_path / "clip.pose", keypoints),
        "openpose": lambda: written.write_openpose(tmp_path / "clip", keypoints),
        "mmpose": lambda: written.write_mmpose(tmp_path / "clip.json", keypoints),
        "parquet": lambda: written.write_coco_parquet(tmp_path / "clip.parquet", keypoints),
        "scores": lambda: saved("clip.npz", keypoints=keypoints[..., :2], scores=keypoints[..., 2]),
        "predictions": lambda: written.write_json(tmp_path / "clip.json", frames),
    }[source]()
    (clip,) = read(path, size=SIZE).clips
    assert_same(clip, expected)


@pytest.mark.parametrize("source", ["python", "javascript", "asl_signs", "one_clip"])
def test_of_fractions(tmp_path: Path, saved: Save, source: str) -> None:
    (points,) = holistic_keypoints(1, 5)
    points[2, 33:54] = 0  # no left hand
    (expected,) = read(saved("plain.npz", keypoints=points[None]), size=SIZE).clips
    path = {
        "python": lambda: written.write_tasks(tmp_path / "clip.json", points),
        "javascript": lambda: written.write_tasks(
            tmp_path / "clip.json", points, frame=written.javascript_frame
        ),
        "asl_signs": lambda: written.write_asl_signs(tmp_path / "clip.parquet", points),
        "one_clip": lambda: saved("clip.npz", keypoints=points),
    }[source]()
    (clip,) = read(path, size=SIZE).clips
    assert_same(clip, expected)


def test_the_real_recording_in_four_formats(shared_data: Path) -> None:
    """OpenPose's output as `.npz`, MMPose's JSON and `.pose`, and its first 30 frames as OpenPose's JSON."""
    formats = shared_data / "formats"
    array = read(formats / "mmpose_json_133" / "clip_133.npz")
    (expected,) = array.clips
    pose = read(formats / "pose_format" / "openpose.pose")
    mmpose = read(formats / "mmpose_json_133" / "results_clip.json", size=(1000, 1000))
    for result in (pose, mmpose):
        assert_same(result.clips[0], expected)
    assert dict(array.report.frame_rates) == {24.0: 1}
    assert dict(pose.report.frame_rates) == {}, "24 is what the converter of .pose files writes unasked"
    assert array.report.seconds == [93 / 24]

    openpose = read(formats / "openpose_json", size=(1000, 1000))
    (begun,) = openpose.clips
    assert openpose.report.lengths == [30]
    np.testing.assert_allclose(begun.clip.points, expected.clip.points[: len(begun.clip)], atol=1e-5)


@pytest.mark.parametrize("source", ["asl_citizen", "openhands", "wide_csv", "wide_parquet"])
def test_real_signers_in_the_formats_of_corpora(
    shared_data: Path, tmp_path: Path, saved: Save, source: str
) -> None:
    """Ten clips of real signers, one of them without hands, written as these corpora have them."""
    clips = np.load(shared_data / "signs" / "signs_small.npz")["keypoints"][::30].astype("f8")
    for part in (slice(0, 33), slice(33, 54), slice(54, 75)):
        clips[..., part, 2] = (clips[..., part, :2] != 0).any(axis=(-1, -2))[..., None]
    expected = read(saved("plain.npz", keypoints=clips), size=SIZE)
    for number, points in enumerate(clips):
        write_as_corpus(tmp_path / "corpus" / f"{number:06d}", points, source)
    result = read(tmp_path / "corpus", size=SIZE)
    assert len(result.clips) == len(expected.clips) == 9
    assert result.report.skipped == expected.report.skipped == {"no hands": 1}
    for clip, plain in zip(result.clips, expected.clips, strict=True):
        assert_same(clip, plain)
    assert [found.kind.code for found in result.report.findings()] == [
        found.kind.code for found in expected.report.findings()
    ]


def write_as_corpus(path: Path, points: np.ndarray, source: str) -> None:
    """A clip (T, 75, 3) as ASL Citizen, OpenHands or a table has it."""
    path.parent.mkdir(exist_ok=True)
    if source == "asl_citizen":
        order = [*range(33), *range(54, 75), *range(33, 54)]
        array = np.zeros((len(points), 543, 2))
        array[:, :75] = points[:, order, :2]
        np.save(path.with_suffix(".npy"), array)
    elif source == "openhands":
        facts = {"keypoints": points.copy(), "confidences": points[:, :, 2]}
        path.with_suffix(".pkl").write_bytes(pickle.dumps(facts, protocol=4))
    else:
        write = write_csv if source == "wide_csv" else write_parquet
        write(path.with_suffix(f".{source[5:]}"), table_of(points))


@pytest.mark.parametrize("source", ["all_xy", "frames"])
def test_the_real_recording_as_dwpose(shared_data: Path, saved: Save, source: str) -> None:
    file = shared_data / "formats" / "mmpose_json_133" / "clip_133.npz"
    (expected,) = read(file).clips
    arrays = np.load(file)
    keypoints = arrays["keypoints"].astype("f8")
    size = int(arrays["width"]), int(arrays["height"])
    written_as = dwpose_one_person if source == "all_xy" else dwpose_people
    more = {"frame_size": np.array(size)} if source == "all_xy" else {}
    result = read(saved("clip.npz", **written_as(keypoints, **more)), size=size)
    assert_same(result.clips[0], expected)
    assert not result.report.findings()
