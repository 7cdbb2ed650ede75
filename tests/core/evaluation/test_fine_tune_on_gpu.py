"""Fine-tuning on a CUDA device is reproducible and resumes after a stop."""

from pathlib import Path

import pytest
import torch

from core.errors import Stopped
from core.evaluation.evaluate import evaluate
from core.specs.fine_tuning import FineTuneConfig
from core.specs.jobs import EvaluateSpec
from core.training.checkpoint import checkpoints_in
from tests.core.evaluation.making import fresh_encoder, packed, signed_clips
from tests.core.training.stopping import StopsIn

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_a_run_on_cuda_repeats_itself_also_after_a_stop(tmp_path: Path) -> None:
    corpus = packed(tmp_path / "signs", signed_clips(["a", "b", "c"], ["train", "val", "test"], takes=2))
    config = FineTuneConfig(num_epochs=3, batch_size=3, min_crop_frames=4)
    encoder = str(fresh_encoder(tmp_path / "encoder"))
    spec = EvaluateSpec(corpus=str(corpus.path), encoder=encoder, protocol="fine_tune", fine_tune=config)
    whole = evaluate(spec)
    with pytest.raises(Stopped):
        evaluate(spec, observer=StopsIn("fine-tuning", 3), out=tmp_path)
    (saved,) = checkpoints_in(tmp_path / "checkpoints")
    assert evaluate(spec, resume=saved) == whole
