"""A pretraining that starts from an earlier encoder goes on from its weights, and says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.corpora.packed import PackedCorpus
from core.errors import CheckpointError, EncoderError, SpecError
from core.evaluation.evaluate import evaluate
from core.exchange.weights import load_encoder, save_encoder
from core.program.observer import SilentObserver
from core.specs.jobs import ClipSelection, EvaluateSpec, PretrainSpec
from core.training.pretrain import Pretraining, pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return random_corpus(tmp_path_factory.mktemp("data") / "corpus")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of another corpus."""
    place = tmp_path_factory.mktemp("earlier")
    other = random_corpus(place / "corpus", seed=7)
    pretrain(PretrainSpec(name="earlier", corpus=str(other.path), recipe="smoke", overrides=OVERRIDES), place)
    return place / "encoder"


def spec(corpus: PackedCorpus, start: Path, **fields: Any) -> PretrainSpec:
    given = {"corpus": str(corpus.path), "recipe": "smoke", "overrides": OVERRIDES, "start": str(start)}
    return PretrainSpec.model_validate({**given, **fields})


def seen_in_folds(scored: EvaluateSpec) -> list[int]:
    return [fold["num_test_pretrained_on"] for fold in evaluate(scored)["folds"]]


def test_query_and_key_networks_begin_with_its_weights(
    corpus: PackedCorpus, earlier: Path, tmp_path: Path
) -> None:
    model = Pretraining(spec(corpus, earlier), tmp_path, SilentObserver()).state.model
    for stream, network in load_encoder(earlier).model.streams.items():
        for networks in (model.query, model.key):
            ours = networks[stream].encoder.state_dict()  # type: ignore[union-attr]
            for name, tensor in network.state_dict().items():
                assert torch.equal(ours[name], tensor), name


def test_card_and_clips_tell_of_both(corpus: PackedCorpus, earlier: Path, tmp_path: Path) -> None:
    pretrain(spec(corpus, earlier), tmp_path)
    before, now = load_encoder(earlier), load_encoder(tmp_path / "encoder")
    assert now.card.start is not None
    assert now.card.spec is not None
    assert (now.card.start.name, now.card.spec.start) == ("earlier", "earlier")
    assert before.pretrained_clips is not None
    assert now.pretrained_clips is not None
    assert np.isin(before.pretrained_clips, now.pretrained_clips).all()
    assert len(now.pretrained_clips) > len(before.pretrained_clips)


def test_clips_of_the_start_count_as_seen(corpus: PackedCorpus, earlier: Path, tmp_path: Path) -> None:
    pretrain(spec(corpus, earlier), tmp_path)
    other = str(earlier.parent / "corpus")
    scored = EvaluateSpec(
        corpus=other, encoder=str(tmp_path / "encoder"), folds="each_signer", num_neighbours=1
    )
    of_start = scored.model_copy(update={"encoder": str(earlier)})
    assert seen_in_folds(scored) == seen_in_folds(of_start)
    assert sum(seen_in_folds(scored)) > 0


def test_clips_are_unknown_if_those_of_the_start_are(
    corpus: PackedCorpus, earlier: Path, tmp_path: Path
) -> None:
    loaded = load_encoder(earlier)
    save_encoder(tmp_path / "bare", loaded.model, loaded.card)
    pretrain(spec(corpus, tmp_path / "bare"), tmp_path)
    assert load_encoder(tmp_path / "encoder").pretrained_clips is None


def test_a_resumed_run_ends_with_the_same_bytes(corpus: PackedCorpus, earlier: Path, tmp_path: Path) -> None:
    whole = pretrain(spec(corpus, earlier), tmp_path / "whole", keep_all=True)
    checkpoint = sorted((tmp_path / "whole" / "checkpoints").iterdir())[0]
    resumed = pretrain(spec(corpus, earlier), tmp_path / "resumed", resume=checkpoint)
    assert resumed["sha256"] == whole["sha256"]
    with pytest.raises(CheckpointError, match="start is"):
        pretrain(
            spec(corpus, earlier).model_copy(update={"start": None}), tmp_path / "other", resume=checkpoint
        )


def test_other_networks_are_refused_with_what_differs(
    corpus: PackedCorpus, earlier: Path, tmp_path: Path
) -> None:
    encoder = {**OVERRIDES["encoder"], "feature_width": 32, "trunk_origin": "shoulders"}
    with pytest.raises(SpecError, match=r"feature_width is 16 there and 32 here") as refused:
        pretrain(spec(corpus, earlier, overrides={**OVERRIDES, "encoder": encoder}), tmp_path)
    assert refused.value.pointer == "/start"
    assert "encoder.trunk_origin is 'image' there and 'shoulders' here" in str(refused.value)
    with pytest.raises(EncoderError, match="There is no encoder"):
        pretrain(spec(corpus, tmp_path / "nowhere"), tmp_path)


def test_dropout_and_heads_may_differ(corpus: PackedCorpus, earlier: Path, tmp_path: Path) -> None:
    encoder = {**OVERRIDES["encoder"], "graph_dropout": 0.3, "projection_width": 8, "streams": ("joint",)}
    contrast = {**OVERRIDES["contrast"], "transfer_weight": 0}
    overrides = {**OVERRIDES, "encoder": encoder, "contrast": contrast}
    pretrain(spec(corpus, earlier, overrides=overrides, clips=ClipSelection()), tmp_path)
    assert set(load_encoder(tmp_path / "encoder").model.streams) == {"joint"}
