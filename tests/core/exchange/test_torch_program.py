"""The file of torch.export computes what the encoder does, with PyTorch alone, or it is not kept."""

import shutil
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
from tests.core.exchange.exporting import exported_as, small_encoder
from tests.core.small import SMALL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two streams: no other test exports those to torch.export."""
    return small_encoder(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def exported(encoder: Path) -> Path:
    out, printed = exported_as(encoder, "small.pt2")
    assert ": torch, " in printed
    return out


@pytest.fixture(scope="module")
def read(exported: Path) -> tuple[torch.export.ExportedProgram, str]:
    """The program and the card of the file, read once: reading takes seconds."""
    more = {CARD: ""}
    return torch.export.load(exported, extra_files=more), more[CARD]


@pytest.fixture(scope="module")
def program(read: tuple[torch.export.ExportedProgram, str]) -> torch.nn.Module:
    return read[0].module()


@pytest.mark.slowest
@pytest.mark.parametrize(("clips", "frames"), [(1, 8), (7, 8), (3, 1), (5, 2), (2, 31)])
def test_any_number_of_clips_and_frames_gives_the_encoders_embedding(
    encoder: Path, program: torch.nn.Module, clips: int, frames: int
) -> None:
    view = random_view(clips, frames, seed=clips)
    with torch.no_grad():
        expected = load_encoder(encoder).model.embed_view(view)
        torch.testing.assert_close(program(view.points, view.hand_visible), expected, rtol=0, atol=1e-5)


@pytest.mark.slowest
def test_the_file_holds_the_card_and_only_pytorchs_operations(
    encoder: Path, read: tuple[torch.export.ExportedProgram, str]
) -> None:
    program, card = read
    assert EncoderCard.model_validate_json(card) == load_encoder(encoder).card
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert {name.split(".")[0] for name in called if "." in name} == {"aten"}


@pytest.mark.slowest
def test_a_file_that_computes_something_else_is_not_kept(
    encoder: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter is made to write another encoder's file."""
    monkeypatch.setattr(torch_program, "write_program", lambda _, path, *, card: shutil.copy(exported, path))
    kept, other = tmp_path / "mine.pt2", ClipEncoder(load_encoder(encoder).card.config).eval()
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
