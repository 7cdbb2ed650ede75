from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.corpora.readers.unpack import is_archive
from core.errors import CorpusError, EncoderError, UserError
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.specs import PretrainSpec
from core.training.pretrain import pretrain
from signforge import load_encoder, read_clips
from signforge.cli import app
from signforge.packing import as_one_file
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES


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


def test_what_cannot_be_read_is_named(poses: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nothing\.npz"):
        read_clips(tmp_path / "nothing.npz")
    with pytest.raises(UserError, match=r"no profile 'asl'.*wlasl"):
        read_clips(poses, profile="asl")
    with pytest.raises(EncoderError, match=r"poses\.npz"):
        load_encoder(poses)


@pytest.mark.slow
def test_embed_writes_a_row_and_a_name_per_clip(poses: Path, tmp_path: Path) -> None:
    corpus = random_corpus(tmp_path / "corpus")
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES), tmp_path)
    out = tmp_path / "features.npz"
    embed = ["embed", str(tmp_path / "encoder"), str(poses), "--out", str(out)]
    assert CliRunner().invoke(app, embed).exit_code == 0
    written = np.load(out)
    expected = load_encoder(tmp_path / "encoder").embed(read_clips(poses))
    np.testing.assert_array_equal(written["features"], expected)
    assert len(set(written["names"].tolist())) == len(expected) == 2

    refused = CliRunner().invoke(app, [*embed, "--image-width", "640"])
    assert refused.exit_code != 0
    assert "--image-height" in refused.stderr
