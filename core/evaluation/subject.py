"""What an evaluation scores: an encoder, the same network untrained, or the keypoints themselves."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from core.corpora.packed import PackedCorpus
from core.errors import EncoderError
from core.evaluation.features import CLIPS_AT_ONCE, encoder_features, keypoint_features
from core.exchange.card import EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import load_encoder
from core.observer import Observer
from core.specs import EvaluateSpec
from core.training.engine import Engine


@dataclass(frozen=True)
class Subject:
    """Features of the chosen clips, and which of these the encoder was pretrained on, without labels."""

    features: Float[Tensor, "n D"]
    pretrained_on: Bool[np.ndarray, " n"]


def subject_of(
    spec: EvaluateSpec, corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"], observer: Observer
) -> Subject:
    """Compute what `spec.features` asks for, and prove that computing it moved nothing.

    Raises:
        EncoderError: the encoder cannot be read, or gives features that are not finite.
    """
    unseen = np.zeros(len(chosen), dtype=np.bool_)
    if spec.features == "keypoints":
        return Subject(keypoint_features(corpus, chosen), unseen)
    assert spec.encoder is not None, "the specification's validator asks for one"
    loaded = load_encoder(spec.encoder, device="cuda" if torch.cuda.is_available() else "cpu")
    trained = spec.features == "encoder"
    model = loaded.model if trained else _fresh(loaded.model, seed=spec.seed)
    num_passes = -(-len(chosen) // CLIPS_AT_ONCE)
    engine = Engine.chosen(
        spec.engine, spec.precision, model.config.encoder, model.device, num_passes=num_passes
    )
    ready = model.for_inference(engine.for_inference())
    engine.prepare(ready.streams)
    before = _digest(ready)
    features = encoder_features(ready, corpus, chosen, observer)
    assert _digest(ready) == before, "an evaluation must not move the encoder"
    broken = int((~torch.isfinite(features)).any(dim=1).sum())
    if broken:
        raise EncoderError(
            f"{spec.encoder} gives features that are not finite for {broken} of {len(chosen)} clips; "
            "pretrain it again with a lower optimiser.learning_rate."
        )
    return Subject(features, _pretrained_on(loaded.card, corpus, chosen) if trained else unseen)


def _pretrained_on(
    card: EncoderCard, corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Known where the encoder was pretrained on this very corpus; another corpus counts as unseen."""
    if card.corpus.digest != corpus.digest:
        return np.zeros(len(chosen), dtype=np.bool_)
    return np.isin(chosen, corpus.select(card.spec.clips))


def _fresh(model: ClipEncoder, *, seed: int) -> ClipEncoder:
    """The same network with weights that have learned nothing, and batch statistics of nothing."""
    torch.manual_seed(seed)
    return ClipEncoder(model.config).eval().to(model.device)


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.numpy(force=True).tobytes())
    return digest.hexdigest()
