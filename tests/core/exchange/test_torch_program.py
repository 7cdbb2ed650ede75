"""The file of torch.export computes what the encoder does, with PyTorch alone, or it is not kept."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.errors import EncoderError
from core.exchange import torch_program
from core.exchange.card import EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.graph import random_view
from core.exchange.torch_program import CARD, export_program, largest_difference
from core.exchange.weights import LoadedEncoder, load_encoder
from core.specs import PretrainSpec
from core.training.pretrain import pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES, REPAIRED, SMALL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    corpus = random_corpus(folder / "corpus")
    few_operations = {**REPAIRED.encoder.model_dump(), "graph_block_widths": (4,)}
    run = {**OVERRIDES["run"], "num_epochs": 1}
    overrides = {**OVERRIDES, "encoder": few_operations, "run": run}
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=overrides), folder)
    return folder / "encoder"


@pytest.fixture(scope="module")
def exported(encoder: Path) -> Path:
    """As the command line exports it: tracing does not go with the checks of shapes in this process."""
    out = encoder / "small.pt2"
    command = [sys.executable, "-W", "error", "-m", "signforge.cli", "export", str(encoder)]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ": torch, " in done.stdout
    assert "largest difference from PyTorch" in done.stdout
    return out


@pytest.mark.parametrize(("clips", "frames"), [(1, 8), (7, 8), (3, 1), (5, 2), (2, 31)])
def test_any_number_of_clips_and_frames_gives_the_encoders_embedding(
    encoder: Path, exported: Path, clips: int, frames: int
) -> None:
    view = random_view(clips, frames, seed=clips)
    program = torch.export.load(exported).module()
    with torch.no_grad():
        expected = load_encoder(encoder).model.embed_view(view)
        torch.testing.assert_close(program(view.points, view.hand_visible), expected, rtol=0, atol=1e-5)


def test_the_file_holds_the_card_and_only_pytorchs_operations(encoder: Path, exported: Path) -> None:
    more = {CARD: ""}
    program = torch.export.load(exported, extra_files=more)
    assert EncoderCard.model_validate_json(more[CARD]) == load_encoder(encoder).card
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert {name.split(".")[0] for name in called if "." in name} == {"aten"}


def test_a_file_that_computes_something_else_is_not_kept(
    encoder: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter is made to write another encoder's file."""
    monkeypatch.setattr(torch_program, "write_program", lambda _, path, *, card: shutil.copy(exported, path))
    kept, other = tmp_path / "mine.pt2", ClipEncoder(SMALL).eval()
    kept.write_bytes(b"of an earlier export")
    with pytest.raises(EncoderError, match=r"The torch.export file .* largest difference is .*, the limit 0"):
        export_program(LoadedEncoder(other, load_encoder(encoder).card), kept)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pt2"]
    assert kept.read_bytes() == b"of an earlier export"


def test_a_file_that_cannot_be_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.pt2"
    path.write_bytes(b"no program")
    with pytest.raises(EncoderError, match=r"The torch\.export file cannot be run"):
        largest_difference(ClipEncoder(SMALL).eval(), path)
