"""New clips are read as those that the encoder learned from, unless told otherwise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.evaluation.evaluate import evaluate
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import EvaluateSpec, PretrainSpec
from core.training.pretrain import pretrain
from signforge import FindingWarning, load_encoder, read_clips
from signforge.cli import app
from signforge.pose_source import open_poses
from tests.core.corpora.readers.conftest import holistic_keypoints
from tests.core.small import OVERRIDES

pytestmark = pytest.mark.slow
HOW: dict[str, Any] = {
    "profile": "slr500",
    "image_width": 640,
    "image_height": 480,
    "sides": "exchange_hands",
    "unmirror_frames": True,
    "accept": ["exchanged-hands", "swapped-sides"],
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "signs.npz"
    keypoints = holistic_keypoints(24, 12)
    keypoints[..., [15, 16], :] = keypoints[..., [54, 33], :]  # the hands are exchanged
    labels = np.array(["tea", "milk"] * 12)
    split = np.array(["train"] * 16 + ["test"] * 8)
    np.savez_compressed(path, keypoints=keypoints.astype("f2"), labels=labels, split=split)
    return path


def corpus(source: Path, out: Path, **options: Any) -> PackedCorpus:
    out.mkdir()
    spec = ImportSpec.model_validate({"name": out.name, "source": str(source), **options})
    import_corpus(spec, out, SilentObserver())
    return PackedCorpus.open(out / "corpus")


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that was read with every option, and an encoder that was trained on it."""
    folder = tmp_path_factory.mktemp("run")
    learned = corpus(source, folder / "signs", **HOW)
    pretrain(PretrainSpec(corpus=str(learned.path), recipe="smoke", overrides=OVERRIDES), folder)
    return folder


def test_the_card_has_the_record(folder: Path) -> None:
    record = load_encoder(folder / "encoder").preprocessing
    assert record is not None
    assert (record.format, record.profile, record.image_size) == ("mediapipe_holistic", "slr500", (640, 480))
    assert (record.sides, record.unmirror_frames) == ("exchange_hands", True)


def test_embed_reads_by_the_record(folder: Path, source: Path) -> None:
    encoder = load_encoder(folder / "encoder")
    learned = PackedCorpus.open(folder / "signs" / "corpus")
    expected = encoder.embed([learned.clip(index) for index in range(len(learned))])
    features = np.concatenate([batch.features for batch in encoder.embed_source(source)])
    np.testing.assert_array_equal(features, expected)
    with open_poses(source, record=encoder.preprocessing) as opened:
        (note,) = [each for each in opened.report.notes if "frame size" in each]
    assert "it is 640 x 480, as in the encoder's corpus" in note
    with pytest.warns(FindingWarning, match="read otherwise"):
        other = read_clips(source, record=encoder.preprocessing, unmirror_frames=False)
    assert not np.array_equal(other[0].points, learned.clip(0).points)


@pytest.mark.parametrize(
    "option", [(), ("--keep-mirrored",), ("--profile", "wlasl"), ("--sides", "as_stored")]
)
def test_a_difference_is_told(folder: Path, source: Path, tmp_path: Path, option: tuple[str, ...]) -> None:
    arguments = ["embed", str(folder / "encoder"), str(source), "--out", str(tmp_path / "f.npz"), *option]
    done = CliRunner().invoke(app, [*arguments, "--accept", "exchanged-hands"])
    assert done.exit_code == 0, done.output
    assert ("are read otherwise than those that the encoder learned from" in done.stderr) == bool(option)


def test_an_evaluation_tells_of_a_corpus_that_was_read_otherwise(
    folder: Path, source: Path, tmp_path: Path
) -> None:
    other = corpus(source, tmp_path / "other", accept=["exchanged-hands"], profile="slr500")
    spec = EvaluateSpec(corpus=str(other.path), encoder=str(folder / "encoder"), num_neighbours=3)
    (sentence,) = evaluate(spec)["preprocessing_differences"]
    assert "'other' was read otherwise" in sentence
    assert "sides: 'exchange_hands' and 'as_stored'; unmirror_frames: True and False" in sentence
    same = EvaluateSpec(corpus=str(folder / "signs" / "corpus"), encoder=spec.encoder, num_neighbours=3)
    assert evaluate(same)["preprocessing_differences"] == []
