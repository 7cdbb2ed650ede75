from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.untrusted.unpack import is_archive
from core.errors import CorpusError, EncoderError, UserError
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from signforge import load_encoder, read_clips
from signforge.client.transport.packing import as_one_file
from signforge.encoder import read_named_clips
from signforge.pose_source import open_poses


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    folder = tmp_path / "poses"
    folder.mkdir()
    save_npz(generate(SyntheticConfig(num_signs=2, num_signers=1, takes_per_sign=1)), folder / "poses.npz")
    return folder / "poses.npz"


def test_clips_are_the_same_from_a_file_and_from_an_archive(poses: Path) -> None:
    clips = read_clips(poses)
    assert len(clips) == 2
    with as_one_file(poses.parent) as packed:
        assert is_archive(packed)
        again = read_clips(packed)
    for clip, other in zip(clips, again, strict=True):
        np.testing.assert_array_equal(clip.points, other.points)


@pytest.mark.filterwarnings("ignore::signforge.pose_source.FindingWarning")
def test_a_folder_that_can_be_read_can_be_sent(poses: Path) -> None:
    for name in ("10:32:05.npz", "a:b/1.npz", "c\\d.npz", "caf\udce9/1.npz"):
        (poses.parent / name).parent.mkdir(exist_ok=True)
        np.savez(poses.parent / name, keypoints=np.ones((2, 133, 3)) * 100, width=640, height=480)
    poses.unlink()
    here = {(named.name, named.label) for named in read_named_clips(poses.parent)}
    with as_one_file(poses.parent) as packed:
        assert {(named.name, named.label) for named in read_named_clips(packed)} == here
    assert len(here) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"unmirror": True}, r"There is no option 'unmirror'\. Did you mean 'unmirror_frames'\?"),
        ({"foo": 1}, r"There is no option 'foo'\. There are: record, source_format, profile, image_size"),
        ({"image_width": 640}, r"Did you mean 'image_size', a pair \(width, height\)\?"),
        ({"width": 640}, r"Did you mean 'image_size'"),
        ({"format": "openpose"}, r"Did you mean 'source_format'\?"),
        ({"sides": "exchange_hand"}, r"sides cannot be 'exchange_hand'\. Did you mean 'exchange_hands'"),
        (
            {"source_format": "open_pose"},
            r"source_format cannot be 'open_pose'\. Did you mean 'op",
        ),
    ],
)
def test_an_option_that_does_not_exist_is_refused(poses: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_clips(poses, **options)


@pytest.mark.parametrize("name", ["C:/1.npz", "a\\..\\1.npz", "\\1.npz", "/".join(["a"] * 101)])
def test_a_name_that_the_service_refuses_is_refused_before_it_is_sent(poses: Path, name: str) -> None:
    (poses.parent / name).parent.mkdir(parents=True, exist_ok=True)
    poses.rename(poses.parent / name)
    with (
        pytest.raises(CorpusError, match=r"has the member '.*|has a member in 100 folders"),
        as_one_file(poses.parent),
    ):
        pass


def test_the_encoding_of_an_archive_may_be_stated(shared_data: Path) -> None:
    archive = shared_data / "cases" / "archive-encodings" / "gbk.zip"
    assert [named.label for named in read_named_clips(archive)] == ["姓名", "谢谢"]
    as_stated = read_named_clips(archive, archive_encoding="cp1251")
    assert {named.label for named in as_stated} == {
        word.encode("gbk").decode("cp1251") for word in ("姓名", "谢谢")
    }


def test_messages_name_an_archives_files_from_inside(poses: Path) -> None:
    whole = poses.read_bytes()
    poses.write_bytes(whole[:-100])
    with (
        as_one_file(poses.parent) as packed,
        pytest.raises(CorpusError, match=r"^poses\.npz is damaged: its end is missing"),
    ):
        read_clips(packed)
    np.savez(poses.parent / "1.npz", keypoints=np.ones((2, 133, 3)) * 100, width=640, height=480)
    with as_one_file(poses.parent) as packed, open_poses(packed) as source:
        assert len(list(source.clips)) == 1
    assert source.report.examples[0].startswith("poses: poses.npz is ")


def test_what_cannot_be_read_is_named(poses: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nothing\.npz"):
        read_clips(tmp_path / "nothing.npz")
    with pytest.raises(UserError, match=r"no profile 'asl'.*wlasl"):
        read_clips(poses, profile="asl")
    with pytest.raises(EncoderError, match=r"poses\.npz is not a readable encoder: it seems to be a zip"):
        load_encoder(poses)
    (tmp_path / "clip.npz").write_text("hello")
    with pytest.raises(CorpusError, match=r"clip\.npz is not an \.npz file: it seems to be text\."):
        read_clips(tmp_path / "clip.npz")
    with pytest.raises(EncoderError, match=r"clip\.npz .* seems to be text\. Expected a downloaded"):
        load_encoder(tmp_path / "clip.npz")
    with pytest.raises(EncoderError, match=r"There is no encoder .*none"):
        load_encoder(tmp_path / "none")
    lone = tmp_path / "folder"
    lone.mkdir()
    (lone / "clip.npz").write_text("hello")
    with pytest.raises(CorpusError, match=r"clip\.npz is not an \.npz file: it seems to be text\."):
        read_clips(lone)


@pytest.mark.filterwarnings("ignore::signforge.pose_source.FindingWarning")
def test_a_benchmark_brings_its_own_thresholds_unless_others_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "NMFs-CSL"
    (folder / "Pose").mkdir(parents=True)
    (folder / "trainlist01.txt").write_text("book/1.mp4 1\n")
    keypoints = np.concatenate(
        [np.random.default_rng(0).uniform(100, 300, (4, 133, 2)), np.full((4, 133, 1), 0.9)], axis=2
    )
    keypoints[:, 5:11, 2] = 0.6  # arms that are sure enough for NMFs-CSL alone,
    keypoints[2:, 91:, 2] = 0  # where hands must be looked for at their ends
    np.savez(folder / "Pose" / "1.npz", keypoints=keypoints, width=640, height=480)
    lengths = [len(read_clips(folder, profile=profile)[0]) for profile in (None, "nmfs_csl", "wlasl")]
    assert lengths == [4, 4, 2]
