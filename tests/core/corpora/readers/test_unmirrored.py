"""Un-mirroring: what is found in mirrored frames becomes what is found in the frames, in any format."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.readers.detect import open_source
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.unmirrored import UnmirroredPiece
from core.corpora.source import ReadReport
from core.pose.normalise import PROFILES
from core.pose.synthetic.recording import HEIGHT, WIDTH, SyntheticConfig, generate_clips
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers import written
from tests.core.corpora.readers.checks.test_sides import of_mirrored_frames
from tests.core.corpora.readers.conftest import coco_keypoints


def imported(source: Path, out: Path, **asked: Any) -> PackedCorpus:
    out.mkdir()
    spec = ImportSpec.model_validate({"name": "x", "source": str(source), **asked})
    import_corpus(spec, out, SilentObserver())
    return PackedCorpus.open(out / "corpus")


def as_npz(path: Path, clip: np.ndarray) -> None:
    np.savez(path.with_suffix(".npz"), keypoints=clip.astype("f4"), width=WIDTH, height=HEIGHT)


def as_pose(path: Path, clip: np.ndarray) -> None:
    written.write_pose(path.with_suffix(".pose"), clip)


@pytest.mark.parametrize("write", [as_npz, as_pose])
def test_mirrored_frames_become_the_frames(tmp_path: Path, write: Any) -> None:
    clips = generate_clips(SyntheticConfig(num_signs=3, num_signers=1, takes_per_sign=1))
    for number, clip in enumerate(clips):
        for name, keypoints in (("real", clip.keypoints), ("mirrored", of_mirrored_frames(clip.keypoints))):
            (tmp_path / name).mkdir(exist_ok=True)
            write(tmp_path / name / f"{number}.x", keypoints)
    expected = imported(tmp_path / "real", tmp_path / "a")
    undone = imported(tmp_path / "mirrored", tmp_path / "b", unmirror_frames=True)
    left_alone = imported(tmp_path / "mirrored", tmp_path / "c")
    np.testing.assert_allclose(undone.points, expected.points, atol=1e-3)
    np.testing.assert_array_equal(undone.visible, expected.visible)
    assert np.abs(left_alone.points - expected.points).max() > 0.1
    assert undone.header.provenance["options"]["unmirror_frames"]


def test_missing_points_stay_missing(tmp_path: Path) -> None:
    keypoints = coco_keypoints(3)
    keypoints[:, (0, 5)] = 0
    keypoints[1, 7, :2] = np.nan
    np.savez(tmp_path / "clip.npz", keypoints=keypoints, width=WIDTH, height=HEIGHT)
    corpus = imported(tmp_path / "clip.npz", tmp_path / "out", unmirror_frames=True)
    for joint in (42, 46):  # nose; what was the left shoulder is the right one
        assert (corpus.points[:, joint] == 0).all()
        assert not corpus.visible[:, joint].any()
    assert corpus.visible[:, 47].tolist() == [True, False, True]
    assert np.isfinite(corpus.points).all()


def test_a_clip_that_cannot_be_read_stays_so(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", keypoints=coco_keypoints(3), width=WIDTH, height=HEIGHT)
    (tmp_path / "a.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:-30])
    options = replace(ReadOptions(PROFILES["wlasl"]), unmirror_frames=True)
    source = open_source(tmp_path, "auto", options, ReadReport())
    (piece,) = source.pieces
    assert isinstance(piece, UnmirroredPiece)
    assert [isinstance(raw, RawClip) for raw in piece.read(ReadReport())] == [False, True]
