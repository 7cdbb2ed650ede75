"""An encoder file brings back the same network, and anything else is refused with its reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from safetensors.torch import save_file

from core.corpora.contents import clip_digests, short_digests
from core.corpora.packed import PackedCorpus
from core.errors import EncoderError, UserError
from core.exchange.card import EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import load_encoder, save_encoder
from core.pose.clip import Clip
from core.specs.jobs import ClipSelection, PretrainSpec
from core.training.pretrain import pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES, SMALL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    corpus = random_corpus(place / "corpus")
    spec = PretrainSpec(name="mine", corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES)
    pretrain(spec, place)
    return place / "encoder"


def _times(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The fields of a model, and of the models within, that are or are called a time."""
    for name, field in model.model_fields.items():
        if any(word in f"{name} {field.annotation}" for word in ("date", "_at ", "timestamp", "created")):
            yield path + name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _times(kind, f"{path}{name}.")


def some_clips(*lengths: int) -> list[Clip]:
    random = np.random.default_rng(0)
    return [Clip.of(random.random((length, 49, 2)), random.random((length, 49)) < 0.5) for length in lengths]


@pytest.mark.slow
def test_file_and_folder_load_the_same_and_the_card_has_the_lineage(folder: Path) -> None:
    by_folder, by_file = load_encoder(folder), load_encoder(folder / "encoder.safetensors")
    assert by_folder.card == by_file.card
    assert (by_folder.card.name, by_folder.card.corpus.name, by_folder.card.step) == ("mine", "random", 12)
    assert by_folder.card.spec.corpus == "random", "no path of the training machine is left in the card"
    clips = some_clips(9, 30)
    np.testing.assert_array_equal(by_folder.model.embed(clips), by_file.model.embed(clips))


def test_no_field_of_a_card_is_a_time() -> None:
    assert list(_times(EncoderCard)) == []


@pytest.mark.slow
def test_the_same_run_at_another_time_writes_the_same_file(folder: Path, tmp_path: Path) -> None:
    spec = PretrainSpec(
        name="mine", corpus=str(folder.parent / "corpus"), recipe="smoke", overrides=OVERRIDES
    )
    pretrain(spec, tmp_path)
    for name in ("encoder.safetensors", "card.json"):
        assert (tmp_path / "encoder" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.slow
def test_a_card_is_written_and_read_as_before_encoders_could_be_imported(folder: Path) -> None:
    text = (folder / "card.json").read_text()
    assert list(json.loads(text)) == [
        "format_version",
        "name",
        "spec",
        "config",
        "corpus",
        "step",
        "embedding_width",
        "signforge_version",
        "torch_version",
    ]
    assert EncoderCard.model_validate_json(text) == load_encoder(folder).card


@pytest.mark.slow
def test_the_clips_it_was_pretrained_on_lie_beside_the_network(folder: Path, tmp_path: Path) -> None:
    loaded = load_encoder(folder)
    corpus = PackedCorpus.open(folder.parent / "corpus")
    train = corpus.select(ClipSelection(splits=("train",)))
    assert loaded.pretrained_clips is not None
    digests = short_digests(clip_digests(corpus, train))
    np.testing.assert_array_equal(loaded.pretrained_clips, np.sort(digests))
    save_encoder(
        tmp_path, loaded.model, loaded.card, pretrained_clips=loaded.pretrained_clips[::-1].repeat(2)
    )
    written = [(place / "encoder.safetensors").read_bytes() for place in (folder, tmp_path)]
    assert written[0] == written[1], "in one order, each once"


@pytest.mark.parametrize("missing", [("spec",), ("corpus",), ("step",), ("spec", "corpus", "step")])
def test_a_card_without_its_origin_is_refused(folder: Path, tmp_path: Path, missing: tuple[str, ...]) -> None:
    model, card = ClipEncoder(SMALL), json.loads((folder / "card.json").read_text())
    text = json.dumps({field: value for field, value in card.items() if field not in missing})
    save_file(model.state_dict(), tmp_path / "e.safetensors", metadata={"signforge_card": text})
    with pytest.raises(EncoderError, match="spec, corpus and step together"):
        load_encoder(tmp_path / "e.safetensors")


def test_embedding_does_not_depend_on_batching_and_has_unit_pieces(folder: Path) -> None:
    model = load_encoder(folder).model
    clips = some_clips(1, 5, 40, 301, 17)
    together, alone = model.embed(clips), model.embed(clips, batch_size=1)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert together.shape == (5, model.embedding_width) == (5, 2 * 3 * 16)
    pieces = together.reshape(5, 6, 16)
    np.testing.assert_allclose(np.linalg.norm(pieces, axis=2), 1, atol=1e-5)
    assert model.embed([]).shape == (0, model.embedding_width)


@pytest.mark.parametrize("kind", ["missing", "empty", "noise", "cut", "foreign", "misfit"])
def test_what_is_not_a_whole_encoder_is_refused(folder: Path, tmp_path: Path, kind: str) -> None:
    path, good = tmp_path / "broken.safetensors", (folder / "encoder.safetensors").read_bytes()
    if kind in ("empty", "noise", "cut"):
        path.write_bytes({"empty": b"", "noise": bytes(range(256)) * 4, "cut": good[:-100]}[kind])
    elif kind == "foreign":
        save_file({"weight": torch.zeros(3)}, path)
    elif kind == "misfit":
        card = (folder / "card.json").read_text()
        save_file(ClipEncoder(SMALL).streams["joint"].state_dict(), path, metadata={"signforge_card": card})
    with pytest.raises(EncoderError, match=str(path)):
        load_encoder(path)


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_checkpoint_is_sent_to_the_import(tmp_path: Path, as_zip: bool) -> None:
    path = tmp_path / "theirs.pth.tar"
    torch.save({"state_dict": {}}, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(EncoderError, match=f"`signforge encoders import {path} --name NAME`, then download"):
        load_encoder(path)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", torch.device("cuda:99")])
def test_a_device_that_the_machine_lacks_is_refused_with_those_it_has(
    folder: Path, device: str | torch.device
) -> None:
    with pytest.raises(UserError, match=rf"device '{device}' cannot be used.* It has: cpu.*--device"):
        load_encoder(folder, device=device)
