"""`.pose` files, through the pose-format library."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose
from pose_format.pose_header import PoseHeaderComponent

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.formats import pose_files
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import PROFILES
from core.pose.skeleton import LEFT_HAND, RIGHT_HAND, TRUNK
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, read

EMPTY_TRUNK = "Some .pose files have only hands: the trunk is zero and not visible."


def raw(path: Path) -> RawClip:
    """A file's joints in pixels, before they are normalised."""
    return pose_files.read_clip(ClipFiles("clip", (path,)), ReadOptions(PROFILES["wlasl"]), ReadReport())


def of_library(path: Path, component: str, points: list[str]) -> np.ndarray:
    """Points (T, V, 3) by name, as the library itself finds them."""
    pose = Pose.read(path.read_bytes())
    indices = [pose.header.get_point_index(component, name) for name in points]
    xy, confidence = pose.body.data.data[:, 0, indices, :2], pose.body.confidence[:, 0, indices]
    return np.concatenate([xy, confidence[..., None]], axis=2)


def test_a_real_file_of_openpose(shared_data: Path) -> None:
    """Version 0.0: its frames are packed one by one."""
    path = shared_data / "formats" / "pose_format" / "openpose.pose"
    clip = raw(path)
    trunk = ["Nose", "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist"]
    np.testing.assert_allclose(clip.video.joints[:, TRUNK], of_library(path, "pose_keypoints_2d", trunk))
    some = ["BASE", "T_IP", "P_DIP"]
    left, right = (of_library(path, f"hand_{side}_keypoints_2d", some) for side in ("left", "right"))
    np.testing.assert_allclose(clip.video.joints[:, LEFT_HAND][:, [0, 4, 20]], left)
    np.testing.assert_allclose(clip.video.joints[:, RIGHT_HAND][:, [0, 4, 20]], right)
    assert (clip.video.width, clip.video.height) == (1000, 1000)
    assert np.isnan(clip.frame_rate), "24 is what the converter writes if it is not told"


def test_a_real_file_of_mediapipe_without_a_nose(shared_data: Path) -> None:
    """Version 0.1, whose 8 pose points have another order; 170 frames are subsampled."""
    path = shared_data / "formats" / "pose_format" / "mediapipe.pose"
    clip = raw(path)
    names = [f"{side}_{joint}" for side in ("LEFT", "RIGHT") for joint in ("SHOULDER", "ELBOW", "WRIST")]
    trunk = clip.video.joints[:, TRUNK]
    np.testing.assert_allclose(trunk[:, 1:], of_library(path, "POSE_LANDMARKS", names)[::2])
    assert (trunk[:, 0] == 0).all(), "the file has no nose"
    right = of_library(path, "RIGHT_HAND_LANDMARKS", ["WRIST", "THUMB_TIP", "PINKY_TIP"])[::2]
    np.testing.assert_allclose(clip.video.joints[:, RIGHT_HAND][:, [0, 4, 20]], right)
    assert (clip.video.width, clip.video.height, clip.num_frames) == (1250, 1250, 170)


def test_a_real_file_of_one_hand(shared_data: Path) -> None:
    result = read(shared_data / "formats" / "pose_format" / "mediapipe_hand_normalized.pose")
    (source,) = result.clips
    assert not source.clip.visible[:, LEFT_HAND].any()
    assert (source.clip.points[:, TRUNK] == 0).all()
    assert source.clip.visible[:, RIGHT_HAND].any(axis=1).all()
    assert EMPTY_TRUNK in result.report.notes


def test_a_folder_of_real_files(shared_data: Path) -> None:
    result = read(shared_data / "formats" / "pose_format")
    assert [clip.name for clip in result.clips] == ["mediapipe", "mediapipe_hand_normalized", "openpose"]
    assert dict(result.report.frame_rates) == {24.0: 2}
    assert result.report.lengths == [170, 170, 93]


def test_a_sign_is_the_folder_of_its_files(tmp_path: Path) -> None:
    for sign in ("coffee", "tea"):
        written.write_pose(tmp_path / sign / "1.pose", coco_keypoints(3))
    assert [(clip.name, clip.label) for clip in read(tmp_path).clips] == [
        ("coffee/1", "coffee"),
        ("tea/1", "tea"),
    ]


def test_the_surest_of_several_people_is_read(tmp_path: Path) -> None:
    keypoints = coco_keypoints(3)
    other = keypoints * [1, 0.5, 0.8]
    people = np.stack([other, keypoints], axis=1)
    components = written.cocowholebody_components()
    result = read(written.write_components(tmp_path / "two.pose", components, people))
    (alone,) = read(written.write_pose(tmp_path / "one.pose", keypoints)).clips
    np.testing.assert_array_equal(result.clips[0].clip.points, alone.clip.points)
    assert result.report.frames_of_several_people == 3
    assert any("one of them was followed" in note for note in result.report.notes)


def test_a_frame_rate_of_zero_is_unknown(tmp_path: Path) -> None:
    report = read(written.write_pose(tmp_path / "clip.pose", coco_keypoints(2), fps=0)).report
    assert report.as_json()["frame_rates"] == {"unknown": 1}


@pytest.mark.parametrize("name", ["openpose.pose", "mediapipe.pose"])
@pytest.mark.parametrize("missing", [1, 1000, 100_000])
def test_a_shortened_file_is_refused(shared_data: Path, tmp_path: Path, name: str, missing: int) -> None:
    content = (shared_data / "formats" / "pose_format" / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-missing])
    with pytest.raises(
        CorpusError, match=rf"{name} is damaged: it(s header states| ends early, after) \d+ bytes"
    ):
        read(tmp_path / name)


def test_more_bytes_than_promised_are_refused(tmp_path: Path) -> None:
    path = written.write_pose(tmp_path / "clip.pose", coco_keypoints(2))
    path.write_bytes(path.read_bytes() + b"\0" * 1596)
    with pytest.raises(CorpusError, match=r"states 3192 bytes, but it has 4788"):
        read(path)


def body_claims(path: Path, num_frames: int, num_people: int) -> Path:
    """A file whose body's header is replaced."""
    content = bytearray(written.write_pose(path, coco_keypoints(2)).read_bytes())
    at = len(content) - 2 * 133 * 3 * 4 - 10
    content[at : at + 10] = struct.pack("<fIH", 25, num_frames, num_people)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("num_frames", "num_people"), [(2**31, 1), (2**32 - 1, 65535), (2, 65535), (1, 1)])
def test_a_body_that_claims_other_sizes_is_refused(tmp_path: Path, num_frames: int, num_people: int) -> None:
    with pytest.raises(CorpusError, match="is damaged: its header states"):
        read(body_claims(tmp_path / "clip.pose", num_frames, num_people))


@pytest.mark.parametrize(
    "rest",
    [
        struct.pack("<H", 65535),  # components
        struct.pack("<HH4sH3sHHH", 1, 4, b"BODY", 3, b"XYC", 65535, 65535, 65535),
        struct.pack("<HH4sH3sHHH", 1, 4, b"BODY", 3, b"XYC", 0, 0, 0) + struct.pack("<fIH", 25, 2**31, 1),
        struct.pack("<HH4sH3sHHH", 1, 4, b"BODY", 3, b"ABC", 0, 0, 0),
        struct.pack("<H", 0),
        struct.pack("<HH2s", 1, 2, b"\xff\xfe"),
    ],
)
@pytest.mark.parametrize("version", [0.0, 0.1, 0.2])
def test_a_hostile_header_is_refused(tmp_path: Path, version: float, rest: bytes) -> None:
    path = tmp_path / "evil.pose"
    path.write_bytes(struct.pack("<fHHH", version, 640, 480, 0) + rest)
    with pytest.raises(CorpusError, match=r"evil\.pose is damaged"):
        read(path)


def test_other_versions_are_not_taken_for_pose_files(tmp_path: Path) -> None:
    (tmp_path / "new.pose").write_bytes(struct.pack("<fHHHH", 0.3, 640, 480, 0, 0))
    with pytest.raises(CorpusError, match=r"new\.pose has no supported format"):
        read(tmp_path / "new.pose")


def test_components_without_hands_are_named(tmp_path: Path) -> None:
    face = PoseHeaderComponent("FACE", ["a", "b"], [], [], "XYC")
    path = written.write_components(tmp_path / "face.pose", [face], np.ones((2, 1, 2, 3)))
    with pytest.raises(CorpusError, match=r"no component of a hand .*; it has FACE"):
        read(path)


def test_a_hand_of_some_points_is_refused(tmp_path: Path) -> None:
    hand = PoseHeaderComponent("LEFT_HAND", ["a", "b"], [], [], "XYC")
    path = written.write_components(tmp_path / "hand.pose", [hand], np.ones((2, 1, 2, 3)))
    with pytest.raises(CorpusError, match="LEFT_HAND must have 21 points; it has 2"):
        read(path)


def test_fractions_are_not_taken_for_pixels(tmp_path: Path) -> None:
    path = written.write_pose(tmp_path / "clip.pose", coco_keypoints(2) / [640, 480, 1])
    with pytest.raises(CorpusError, match="so they are not in pixels"):
        read(path)


@pytest.mark.system
def test_reading_needs_none_of_the_librarys_heavy_friends(shared_data: Path) -> None:
    path = shared_data / "formats" / "pose_format" / "openpose.pose"
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.core.corpora.readers.formats.test_pose_files import raw\n"
        f"raw(Path({str(path)!r}))\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'cv2', 'tensorflow', 'av', 'scipy')))"
    )
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


def test_a_file_normalised_by_the_library_is_refused(shared_data: Path, tmp_path: Path) -> None:
    pose = Pose.read((shared_data / "formats" / "pose_format" / "mediapipe.pose").read_bytes())
    shoulders = (("POSE_LANDMARKS", "LEFT_SHOULDER"), ("POSE_LANDMARKS", "RIGHT_SHOULDER"))
    normalised = pose.normalize(pose.header.normalization_info(*shoulders))
    with (tmp_path / "normalised.pose").open("wb") as stream:
        normalised.write(stream)
    with pytest.raises(CorpusError, match="so they are not in pixels"):
        read(tmp_path / "normalised.pose")


@pytest.mark.slow
def test_more_frames_than_version_01_can_count(tmp_path: Path) -> None:
    """It states the number of frames in 16 bits; the length of the file says how many there are."""
    hand = PoseHeaderComponent("LEFT_HAND_LANDMARKS", [f"h{point}" for point in range(21)], [], [], "XYC")
    points = np.random.default_rng(0).uniform(100, 300, (65_540, 1, 21, 3))
    path = written.write_components(tmp_path / "long.pose", [hand], points)
    content = bytearray(path.read_bytes())
    content[:4] = struct.pack("<f", 0.1)
    start = content.index(struct.pack("<fIH", 25, 65_540, 1))
    content[start : start + 10] = struct.pack("<HHH", 25, 4, 1)
    path.write_bytes(content)
    assert raw(path).num_frames == 65_540
    path.write_bytes(content[:-4])
    with pytest.raises(CorpusError, match="its header states"):
        raw(path)


@pytest.mark.parametrize("name", ["mediapipe.pose", "openpose.pose", "coco"])
def test_points_of_a_hand_are_read_by_name(shared_data: Path, tmp_path: Path, name: str) -> None:
    """The library writes the points of a hand in another order."""
    path = shared_data / "formats" / "pose_format" / name
    if name == "coco":
        path = written.write_pose(tmp_path / "coco.pose", coco_keypoints(6))
    pose = Pose.read(path.read_bytes())
    order = np.random.default_rng(0).permutation(21).tolist()
    hands = {
        part.name: [part.points[index] for index in order]
        for part in pose.header.components
        if "hand" in part.name.lower()
    }
    assert len(hands) == 2
    other = pose.get_components([part.name for part in pose.header.components], hands)
    with (tmp_path / "other.pose").open("wb") as stream:
        other.write(stream)
    hand = other.header.components[-1]
    assert hand.points != pose.header.components[-1].points
    np.testing.assert_array_equal(raw(tmp_path / "other.pose").video.joints, raw(path).video.joints)


def test_points_of_other_names_are_read_in_order_with_a_note(tmp_path: Path) -> None:
    names = [f"p{index}" for index in range(21)]
    parts = [PoseHeaderComponent(name, names, [], [], "XYC") for name in ("LEFT_HAND", "RIGHT_HAND")]
    points = coco_keypoints(6)[:, None, 91:]
    result = read(written.write_components(tmp_path / "clip.pose", parts, points))
    assert any("The points of LEFT_HAND have other names" in note for note in result.report.notes)
    joints = raw(tmp_path / "clip.pose").video.joints
    np.testing.assert_allclose(joints[:, LEFT_HAND], points[:, 0, :21], rtol=1e-6)
