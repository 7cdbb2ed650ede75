"""An encoder trained by other code can be evaluated; its pretraining clips are reported as unknown."""

from pathlib import Path

import pytest

from core.evaluation.evaluate import evaluate
from core.exchange.card import EncoderCard, ReleasedCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import save_encoder
from core.specs.fine_tuning import FineTuneConfig
from core.specs.jobs import EvaluateSpec
from tests.core.corpus_maker import random_corpus
from tests.core.evaluation.making import Listener
from tests.core.small import SMALL

pytestmark = pytest.mark.slow


def test_its_pretraining_clips_are_unknown(tmp_path: Path) -> None:
    model, listener = ClipEncoder(SMALL).eval(), Listener()
    card = EncoderCard(
        name="theirs",
        config=SMALL,
        released=ReleasedCard(file="epoch.pth.tar", sha256="0" * 64, epoch=150, left_out={}),
        embedding_width=model.embedding_width,
        signforge_version="0",
        torch_version="0",
    )
    save_encoder(tmp_path / "encoder", model, card)
    corpus = random_corpus(tmp_path / "corpus")
    spec = EvaluateSpec(corpus=str(corpus.path), encoder=str(tmp_path / "encoder"), num_neighbours=3)
    scores = evaluate(spec, observer=listener)
    assert 0 <= scores["top1"] <= 1
    assert scores["folds"][0]["num_test_pretrained_on"] is None, "not 0, which would say that it is known"
    said = (
        "Encoder 'theirs' was trained by other code; "
        "it is unknown whether it was pretrained on these test clips."
    )
    assert listener.said == [said]
    tuned = {"protocol": "fine_tune", "fine_tune": FineTuneConfig(num_epochs=1, min_crop_frames=4)}
    (fold,) = evaluate(spec.model_copy(update=tuned), observer=listener)["folds"]
    assert fold["num_test_pretrained_on"] is None
    assert listener.said == [said, said], "fine-tuning begins with what it has seen"
    baseline = spec.model_copy(update={"features": "untrained"})
    (fold,) = evaluate(baseline, observer=listener)["folds"]
    assert (fold["num_test_pretrained_on"], len(listener.said)) == (0, 2), "untrained: nothing"
