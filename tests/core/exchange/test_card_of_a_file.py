"""The card in a file to import comes from whoever made the file: it may not ask for more than is there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import EncoderError
from core.exchange.importing import import_encoder
from core.exchange.released_file import export_released
from core.exchange.weights import load_encoder
from core.specs.import_jobs import ImportEncoderSpec
from tests.core.evaluation.making import fresh_encoder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "mine.pth.tar"
    export_released(load_encoder(fresh_encoder(tmp_path / "fresh")), path)
    return path


def imported(
    path: Path, *, state: dict[str, torch.Tensor], change: Callable[[Any], object]
) -> dict[str, Any]:
    """The configuration of an import after tensors were added and the card's configuration was changed."""
    content = torch.load(path, weights_only=True)
    content["state_dict"] |= state
    card = json.loads(content["signforge_card"])
    change(card["config"])
    torch.save({**content, "signforge_card": json.dumps(card)}, path)
    import_encoder(ImportEncoderSpec(name="again", source=str(path)), path.parent / "out")
    return load_encoder(path.parent / "out" / "encoder").card.config.model_dump()


@pytest.mark.parametrize(
    "padding",
    [
        {"repeated": torch.zeros(1).expand(10**7, 10**7)},
        dict.fromkeys([f"shared-{number}" for number in range(1000)], torch.zeros(50)),
    ],
    ids=["repeated", "shared"],
)
def test_a_number_that_is_there_often_is_held_once(
    checkpoint: Path, padding: dict[str, torch.Tensor]
) -> None:
    held = sum(each.numel() for each in torch.load(checkpoint, weights_only=True)["state_dict"].values())
    with pytest.raises(
        EncoderError, match=r"describes a network of \d{10,} .* holds only (\d+) numbers"
    ) as refused:
        imported(
            checkpoint, state=padding, change=lambda config: config["encoder"].update(feature_width=80_000)
        )
    told = int(str(refused.value).partition("holds only ")[2].partition(" ")[0])
    assert held / 2 < told < held + 100


def test_views_of_more_frames_than_memory_bears_are_refused(checkpoint: Path) -> None:
    def lengthen(config: Any) -> None:
        config["views"]["num_frames"] = 10**9

    with pytest.raises(EncoderError, match=r"views of 1000000000 frames.*; the limit is 4096"):
        imported(checkpoint, state={}, change=lengthen)
    assert not (checkpoint.parent / "out").exists()


def test_views_of_another_length_are_kept(checkpoint: Path) -> None:
    def lengthen(config: Any) -> None:
        config["views"]["num_frames"] = 128

    assert imported(checkpoint, state={}, change=lengthen)["views"]["num_frames"] == 128
