"""The ONNX file computes what the encoder does, for any number of clips and frames, or it is not kept."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from core.augment.views import ClipBatch, View
from core.errors import EncoderError
from core.exchange import onnx as exporting
from core.exchange.card import EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.onnx import LARGEST_DIFFERENCE, OnnxEncoder, export_onnx
from core.exchange.weights import LoadedEncoder, load_encoder
from signforge.cli import app
from tests.core.corpus_maker import random_corpus
from tests.core.exchange.exporting import ONE_STREAM, exported_as, small_encoder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one stream; docs/how-to/export-an-encoder.md exports two to ONNX."""
    return small_encoder(tmp_path_factory.mktemp("run"), streams=("joint",))


@pytest.fixture(scope="module")
def exported(encoder: Path) -> Path:
    out, _ = exported_as(encoder, "small.onnx")
    return out


@pytest.mark.slowest
@pytest.mark.parametrize(("clips", "frames"), [(1, 8), (7, 8), (3, 1), (2, 31)])
def test_any_number_of_clips_and_frames_gives_the_encoders_embedding(
    encoder: Path, exported: Path, clips: int, frames: int
) -> None:
    random = np.random.default_rng(clips)
    view = View(
        torch.from_numpy(random.random((clips, frames, 49, 2), dtype=np.float32)),
        torch.from_numpy(random.random((clips, frames, 2)) < 0.5),
    )
    with torch.no_grad():
        expected = load_encoder(encoder).model.embed_view(view).numpy()
    np.testing.assert_allclose(OnnxEncoder(exported, num_threads=1).embed_view(view), expected, atol=1e-5)


@pytest.mark.slowest
def test_from_a_corpus_to_the_same_embeddings(encoder: Path, exported: Path, tmp_path: Path) -> None:
    model, corpus = load_encoder(encoder).model, random_corpus(tmp_path / "corpus")
    batch = ClipBatch.of(corpus.gather(range(5)), torch.device("cpu"))
    ours = OnnxEncoder(exported).embed_view(model.centre_view(batch))
    np.testing.assert_allclose(ours, model.embed_batch(batch).numpy(), atol=1e-5)


@pytest.mark.slowest
def test_the_file_holds_the_card_and_names_its_axes(encoder: Path, exported: Path) -> None:
    file = onnx.load(exported)
    onnx.checker.check_model(file)
    (card,) = (entry.value for entry in file.metadata_props if entry.key == "signforge_card")
    assert EncoderCard.model_validate_json(card) == load_encoder(encoder).card
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*file.graph.input, *file.graph.output)
    }
    assert axes == {
        "points": ["batch", "frames", 49, 2],
        "hand_visible": ["batch", "frames", 2],
        "embedding": ["batch", 48],
    }


@pytest.mark.slowest
def test_a_file_that_computes_something_else_is_not_kept(
    encoder: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter is made to write another encoder's file."""
    monkeypatch.setattr(exporting, "write_graph", lambda _, path, *, metadata: shutil.copy(exported, path))
    kept, other = tmp_path / "mine.onnx", ClipEncoder(ONE_STREAM).eval()
    kept.write_bytes(b"of an earlier export")
    with pytest.raises(EncoderError, match=rf"largest difference is .*, the limit {LARGEST_DIFFERENCE:g}"):
        export_onnx(LoadedEncoder(other, load_encoder(encoder).card), kept)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.onnx"]
    assert kept.read_bytes() == b"of an earlier export"


def test_a_place_that_cannot_be_written_is_named_before_any_work(encoder: Path, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "small.onnx"
    refused = CliRunner().invoke(app, ["export", str(encoder), "--out", str(out)])
    assert refused.exit_code == 1
    assert refused.stderr == f"Error: Cannot write {out}: No such file or directory.\n"
