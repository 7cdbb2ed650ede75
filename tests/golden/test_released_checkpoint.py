"""A checkpoint file of the released model becomes an encoder that gives the released features."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.augment.views import View
from core.exchange.importing import import_encoder
from core.exchange.released_file import export_released, read_released
from core.exchange.weights import LoadedEncoder, load_encoder
from core.specs.import_jobs import ImportEncoderSpec
from core.specs.recipes import STC
from signforge import load_encoder as load_to_embed
from tests.golden.conftest import Golden
from tests.golden.test_released_numbers import assert_close

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As several devices would have saved it, with some of what an encoder has no use for."""
    needed = {name: tensor for name, tensor in golden.state.items() if not name.startswith("encoder_k")}
    unused = {
        f"encoder_q.embed.st_gcn_hand.{name}": torch.zeros(2)
        for name in ("conv2.weight", "non_local.g.weight", "fcn.bias")
    }
    state = {f"module.{name}": tensor for name, tensor in (needed | unused).items()}
    path = tmp_path_factory.mktemp("released") / "epoch_150.pth.tar"
    torch.save({"epoch": 150, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}, path)
    return path


@pytest.fixture(scope="module")
def imported(checkpoint: Path) -> LoadedEncoder:
    import_encoder(ImportEncoderSpec(name="released", source=str(checkpoint)), checkpoint.parent)
    return load_encoder(checkpoint.parent / "encoder")


def test_features_are_the_released_ones(golden: Golden, imported: LoadedEncoder, query_view: View) -> None:
    with torch.inference_mode():
        for stream, features in imported.model(query_view).items():
            for space in ("fused", "hand", "trunk"):
                assert_close(
                    getattr(features, space), golden.array(f"eval/{stream}/feature/{space}"), relative=1e-4
                )


def test_the_card_says_what_is_known(imported: LoadedEncoder) -> None:
    card = imported.card
    assert (card.name, card.spec, card.corpus, card.step) == ("released", None, None, None)
    assert card.config == STC.config
    assert card.released is not None
    assert (card.released.file, card.released.epoch) == ("epoch_150.pth.tar", 150)
    assert card.released.left_out == {"heads": 24, "queues": 6, "unused": 3}


def test_it_embeds_like_any_other_encoder(golden: Golden, checkpoint: Path, query_view: View) -> None:
    """The same pieces, each of unit length."""
    embed = load_to_embed(checkpoint.parent / "encoder")._model.embed_view
    with torch.inference_mode():
        pieces = embed(query_view).unflatten(1, (6, -1)).numpy()
    order = [(stream, space) for stream in ("joint", "motion") for space in ("fused", "hand", "trunk")]
    for index, (stream, space) in enumerate(order):
        expected = golden.arrays[f"eval/{stream}/feature/{space}"]
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(pieces[:, index], expected, atol=1e-4)


def test_it_goes_back_to_the_very_tensors(golden: Golden, imported: LoadedEncoder, checkpoint: Path) -> None:
    out = checkpoint.parent / "back.pth.tar"
    num_tensors = export_released(imported, out)
    back: dict[str, Tensor] = dict(read_released(out).state)
    query = {name for name in golden.state if name.startswith("encoder_q")}
    assert back.keys() == {name for name in query if not re.search(r"\.proj\.(fc|hand_fc|body_fc)\.", name)}
    assert num_tensors == len(back)
    for name, tensor in back.items():
        assert tensor.shape == golden.state[name].shape
        assert torch.equal(tensor, golden.state[name]), name
