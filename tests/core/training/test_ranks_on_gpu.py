"""Ranks over NCCL: a group of one rank, and two ranks as one run."""

import os
from pathlib import Path

import pytest
import torch

from core.corpora.packed import PackedCorpus
from core.specs.jobs import PretrainSpec
from core.training.pretrain import Pretraining, pretrain
from core.training.process_group import RankPlace, joined
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES
from tests.core.training.launching import Listener, launch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture
def corpus(tmp_path: Path) -> PackedCorpus:
    return random_corpus(tmp_path / "corpus")


def spec_for(corpus: PackedCorpus, **run: object) -> PretrainSpec:
    fixed = {"device": "cuda", "precision": "fp32", "engine": "eager"}
    overrides = {**OVERRIDES, "run": {**OVERRIDES["run"], **fixed, **run}}
    return PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=overrides)


def test_a_group_of_one_rank_is_a_run_without_a_group(corpus: PackedCorpus, tmp_path: Path) -> None:
    """Every message goes through NCCL and comes back as it was."""
    device = torch.device("cuda", 0)
    place = RankPlace(0, 1, 0, rendezvous=(tmp_path / "meeting").as_uri())
    with joined(place, device) as ranks:
        run = Pretraining(spec_for(corpus), tmp_path / "group", Listener(), ranks=ranks, device=device)
        run.train()
        grouped = run.finish()
    alone = pretrain(spec_for(corpus), tmp_path / "alone")
    assert grouped["steps"] == alone["steps"]
    assert grouped["final_loss"] == pytest.approx(alone["final_loss"], rel=1e-2)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_devices_are_one_run_that_resumes_exactly(corpus: PackedCorpus, tmp_path: Path) -> None:
    spec = spec_for(corpus, num_devices=2, keep_checkpoints=100)
    together, alone = Listener(), Listener()
    whole = launch(spec, tmp_path / "two", observer=together)
    pretrain(spec_for(corpus, num_devices=1), tmp_path / "one", observer=alone)
    torch.testing.assert_close(together.losses[:3], alone.losses[:3], rtol=1e-3, atol=1e-4)
    middle = tmp_path / "two" / "checkpoints" / "step_00000004"
    assert launch(spec, tmp_path / "again", resume=middle) == whole


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_ranks_inherit_only_the_devices_that_are_visible(
    corpus: PackedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "1,0")
    assert launch(spec_for(corpus, num_devices=2, num_epochs=1), tmp_path / "out")["steps"] > 0
