"""A downloaded encoder can be imported again, here or into another service."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from core.errors import EncoderError
from core.exchange.importing import import_encoder
from core.exchange.weights import load_encoder
from core.specs.import_jobs import ImportEncoderSpec
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    corpus = random_corpus(folder / "corpus")
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES), folder)
    return folder / "encoder" / "encoder.safetensors"


def with_card(file: Path, target: Path, change: Any) -> Path:
    """Copy an encoder's file with another card."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    card = json.loads(header["__metadata__"]["signforge_card"])
    change(card)
    header["__metadata__"]["signforge_card"] = json.dumps(card)
    text = json.dumps(header).encode()
    target.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    return target


def test_it_is_the_same_encoder_under_the_new_name(file: Path, tmp_path: Path) -> None:
    result = import_encoder(ImportEncoderSpec(name="mine", source=str(file)), tmp_path)
    before, after = load_encoder(file), load_encoder(tmp_path / str(result["encoder"]))
    assert after.card == before.card.model_copy(update={"name": "mine"})
    for name, tensor in before.model.state_dict().items():
        assert torch.equal(tensor, after.model.state_dict()[name]), name
    assert before.pretrained_clips is not None
    assert after.pretrained_clips is not None
    np.testing.assert_array_equal(before.pretrained_clips, after.pretrained_clips)


def larger(card: dict[str, Any]) -> None:
    card["config"]["encoder"]["feature_width"] = 100_000


def longer(card: dict[str, Any]) -> None:
    card["config"]["views"]["num_frames"] = 100_000


def wider(card: dict[str, Any]) -> None:
    card["embedding_width"] = 10**30


def wordy(card: dict[str, Any]) -> None:
    card["corpus"]["name"] = "x" * 2**21


@pytest.mark.parametrize(
    ("change", "words", "is_unreadable"),
    [
        (larger, "holds only", True),
        (longer, "the limit is 4096", False),  # a run of ones own may have such views
        (wider, "its network gives", False),
        (wordy, "the limit is 1048576", True),
    ],
)
def test_a_card_that_takes_all_memory_or_is_not_of_its_network_is_refused(
    file: Path, tmp_path: Path, change: Any, words: str, is_unreadable: bool
) -> None:
    changed = with_card(file, tmp_path / "changed.safetensors", change)
    with pytest.raises(EncoderError, match=words):
        import_encoder(ImportEncoderSpec(name="mine", source=str(changed)), tmp_path)
    if is_unreadable:
        with pytest.raises(EncoderError, match=words):
            load_encoder(changed)
    else:
        assert load_encoder(changed).card.name == load_encoder(file).card.name


@pytest.mark.parametrize("clips", [torch.zeros(3, dtype=torch.bfloat16), torch.zeros(2, 3)])
def test_digests_that_are_none_are_refused(file: Path, tmp_path: Path, clips: torch.Tensor) -> None:
    changed = tmp_path / "changed.safetensors"
    tensors = load_file(file)
    with safe_open(file, framework="pt") as content:
        metadata = content.metadata()
    save_file({**tensors, "pretrained_clips": clips}, changed, metadata=metadata)
    with pytest.raises(EncoderError, match="its pretrained_clips are not digests"):
        load_encoder(changed)


def test_a_damaged_one_is_refused_by_name(file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(EncoderError, match=r"cut\.safetensors is a damaged encoder"):
        import_encoder(ImportEncoderSpec(name="mine", source=str(cut)), tmp_path)
