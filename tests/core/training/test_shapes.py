"""Every tensor of a pretraining, an evaluation and a fine-tuning has the shape that its annotation says."""

from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

from core.evaluation.evaluate import evaluate
from core.specs.jobs import EvaluateSpec, PretrainSpec
from core.training.pretrain import pretrain
from core.training.quality import alignment
from tests.core.evaluation.making import packed, signed_clips
from tests.core.small import OVERRIDES

pytestmark = [pytest.mark.shapes, pytest.mark.slow]
FINE_TUNE = {"num_epochs": 1, "batch_size": 3, "min_crop_frames": 4}


@pytest.mark.parametrize("recipe", ["stc", "signforge"])
def test_a_whole_study(tmp_path: Path, recipe: str) -> None:
    corpus = packed(tmp_path / "corpus", signed_clips(["a", "b", "c"], ["train", "val", "test"], takes=2))
    overrides = {**OVERRIDES, "run": {"batch_size": 4, "num_epochs": 1}}
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe=recipe, overrides=overrides), tmp_path)
    common = {"corpus": str(corpus.path), "encoder": str(tmp_path / "encoder")}
    for protocol in ("knn", "linear", "dictionary", "retrieval"):
        assert evaluate(EvaluateSpec.model_validate({**common, "protocol": protocol}))["num_test"] == 6
    fine_tuning = {**common, "protocol": "fine_tune", "fine_tune": FINE_TUNE}
    assert evaluate(EvaluateSpec.model_validate(fine_tuning))["num_test"] == 6


def test_a_wrong_shape_is_found() -> None:
    with pytest.raises(TypeCheckError, match="other"):
        alignment(torch.zeros(2, 3), torch.zeros(2, 4))
