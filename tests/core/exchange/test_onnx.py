"""The ONNX file computes what the encoder does, for any number of clips and frames, or it is not kept."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from core.augment.views import ClipBatch, View
from core.errors import EncoderError
from core.exchange import graph_writer
from core.exchange import onnx as exporting
from core.exchange.card import EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.onnx import LARGEST_DIFFERENCE, OnnxEncoder, export_onnx, largest_difference, write_graph
from core.exchange.weights import LoadedEncoder, load_encoder
from core.specs.pretraining import EncoderConfig
from core.specs.recipes import find_recipe
from signforge.cli import app
from tests.core.corpus_maker import random_corpus
from tests.core.exchange.exporting import exported_as, small_encoder
from tests.core.small import SMALL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_encoder(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def exported(encoder: Path) -> Path:
    out, _ = exported_as(encoder, "small.onnx")
    return out


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


OTHERS: list[dict[str, Any]] = [
    {"streams": ("joint",)},
    {"streams": ("motion",), "motion_difference": "backward"},
    {"hand_origin": "points"},
    {"hand_origin": "points", "missing_hands": "zero"},
    {"motion_difference": "backward", "missing_hands": "zero", "trunk_origin": "image"},
    {"num_time_segments": 1, "sub_part_readout": "max", "coordinate_shortcut": False},
    {"pooled_trunk_graph": "released", "num_temporal_blocks": 2, "num_transformer_blocks": 2},
    {"graph_block_widths": (8, 12, 20), "pooled_block_widths": (20, 24), "num_time_segments": 3},
]


@pytest.mark.parametrize("others", OTHERS, ids=lambda others: next(iter(others)))
def test_encoders_of_every_setting_can_be_written(others: dict[str, Any], tmp_path: Path) -> None:
    config = find_recipe("signforge").config
    encoder = EncoderConfig.model_validate({**config.encoder.model_dump(), **others})
    model = with_random_norms(ClipEncoder(config.model_copy(update={"encoder": encoder})).eval())
    write_graph(model, tmp_path / "encoder.onnx")
    assert largest_difference(model, tmp_path / "encoder.onnx") < 5e-6


def test_an_encoder_that_is_too_large_for_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_writer, "LARGEST_FILE", 1000)
    with pytest.raises(EncoderError, match=r"at most 2 GiB\. Export it with --format torch\."):
        write_graph(ClipEncoder(SMALL).eval(), tmp_path / "encoder.onnx")


def with_random_norms(model: ClipEncoder) -> ClipEncoder:
    """Give norms and biases values other than their first ones, which would hide faults."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif name.endswith(("running_mean", "bias")):
                tensor.normal_(std=0.3, generator=generator)
    return model


def test_an_export_that_is_ended_leaves_no_file(encoder: Path, tmp_path: Path) -> None:
    export = [sys.executable, "-m", "signforge.cli", "export", str(encoder)]
    command = [*export, "--out", str(tmp_path / "small.onnx")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "Writing the ONNX file ...\n"
        assert process.stderr.readline().startswith("Comparing it with PyTorch")
        process.terminate()
        process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_from_a_corpus_to_the_same_embeddings(encoder: Path, exported: Path, tmp_path: Path) -> None:
    model, corpus = load_encoder(encoder).model, random_corpus(tmp_path / "corpus")
    batch = ClipBatch.of(corpus.gather(range(5)), torch.device("cpu"))
    ours = OnnxEncoder(exported).embed_view(model.centre_view(batch))
    np.testing.assert_allclose(ours, model.embed_batch(batch).numpy(), atol=5e-5)


def test_the_file_holds_the_card_and_names_its_axes(encoder: Path, exported: Path) -> None:
    file = onnx.load(exported)
    onnx.checker.check_model(file)
    (card,) = (entry.value for entry in file.metadata_props if entry.key == "signforge_card")
    model, own_card = load_encoder(encoder).model, load_encoder(encoder).card
    assert EncoderCard.model_validate_json(card) == own_card
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*file.graph.input, *file.graph.output)
    }
    assert axes == {
        "points": ["batch", "frames", 49, 2],
        "hand_visible": ["batch", "frames", 2],
        "embedding": ["batch", model.embedding_width],
    }


def test_a_file_that_computes_something_else_is_not_kept(
    encoder: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter is made to write another encoder's file."""
    monkeypatch.setattr(exporting, "write_graph", lambda _, path, *, metadata: shutil.copy(exported, path))
    kept, other = tmp_path / "mine.onnx", ClipEncoder(load_encoder(encoder).card.config).eval()
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
