"""The same training and embedding on a CUDA device."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.exchange.weights import load_encoder
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def spec_for(corpus: Path, **run: object) -> PretrainSpec:
    asked = {**OVERRIDES["run"], "device": "cuda", "precision": "fp32", **run}
    return PretrainSpec(corpus=str(corpus), recipe="smoke", overrides={**OVERRIDES, "run": asked})


def test_a_run_on_cuda_repeats_itself_and_its_encoder_embeds_on_both_devices(tmp_path: Path) -> None:
    corpus = random_corpus(tmp_path / "corpus")
    spec = spec_for(corpus.path)
    first, again = pretrain(spec, tmp_path / "first"), pretrain(spec, tmp_path / "again")
    assert first["sha256"] == again["sha256"]
    clips = [corpus.clip(index) for index in range(5)]
    on_gpu = load_encoder(tmp_path / "first" / "encoder", device="cuda").model.embed(clips)
    on_cpu = load_encoder(tmp_path / "first" / "encoder").model.embed(clips)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_replayed_graphs_end_with_the_bytes_of_compiled_passes(tmp_path: Path, precision: str) -> None:
    corpus = random_corpus(tmp_path / "corpus").path
    ends = [
        pretrain(
            spec_for(corpus, engine="compiled", precision=precision, cuda_graph=graph), tmp_path / str(graph)
        )
        for graph in (False, True)
    ]
    assert ends[0]["sha256"] == ends[1]["sha256"]
