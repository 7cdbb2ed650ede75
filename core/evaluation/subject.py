"""The features that an evaluation scores: of an encoder, of an untrained network, or the keypoints."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.errors import EncoderError, EncoderMoved
from core.evaluation.features import CLIPS_AT_ONCE, encoder_features, keypoint_features
from core.evaluation.task import CorpusClips, Task
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.fitting import fit_halves
from core.exchange.weights import LoadedEncoder, load_encoder
from core.program.observer import Observer
from core.specs.jobs import OF_KEYPOINTS, EvaluateSpec
from core.training.engine import Engine


class Subject:
    """The encoder of `spec`, if any, and its features of the clips of `task`."""

    def __init__(self, spec: EvaluateSpec, task: Task) -> None:
        self._spec, self._task = spec, task
        self._loaded: LoadedEncoder | None = None
        if spec.encoder is not None and spec.features not in OF_KEYPOINTS:
            self._loaded = load_encoder(spec.encoder, device="cuda" if torch.cuda.is_available() else "cpu")

    def network(self, *, seed: int) -> ClipEncoder:
        """Return the encoder or, for `untrained`, the same network with random weights."""
        assert self._loaded is not None, "the specification's validator requires one"
        model = self._loaded.model
        if self._spec.features == "encoder":
            return model
        torch.manual_seed(seed)
        return ClipEncoder(model.config).eval().to(model.device)

    @property
    def digest(self) -> str:
        """SHA-256 of the encoder's weights and batch statistics; empty without an encoder."""
        if self._loaded is None:
            return ""
        content = "".join(digests_of(self._loaded.model).values())
        return hashlib.sha256(content.encode()).hexdigest()

    def features(self, observer: Observer, *, seed: int) -> Float[Tensor, "n D"]:
        """Compute the features of `spec.features` and check that the encoder did not change.

        Raises:
            EncoderError: the encoder's features are not finite.
            EncoderMoved: its weights or statistics changed.
        """
        if self._spec.features in OF_KEYPOINTS:
            placed = self._spec.features == "placed_keypoints"
            pieces = [
                keypoint_features(source.corpus, source.clips, placed=placed) for source in self._task.sources
            ]
        else:
            network = self.network(seed=seed)
            if self._spec.features == "untrained":
                fit_halves(network, self._task.sources[0].corpus, self._task.sources[0].clips)
            pieces = [self._embedded(network, source, observer) for source in self._task.sources]
        return torch.cat(pieces)

    @property
    def pretrained(self) -> LoadedEncoder | None:
        """The pretrained encoder whose features are scored; None for baselines."""
        return self._loaded if self._spec.features == "encoder" else None

    def _embedded(self, model: ClipEncoder, source: CorpusClips, observer: Observer) -> Float[Tensor, "n D"]:
        spec, num_clips = self._spec, len(source.clips)
        num_passes = -(-num_clips // CLIPS_AT_ONCE)
        engine = Engine.chosen(
            spec.engine, spec.precision, model.config.encoder, model.device, num_passes=num_passes
        )
        ready = model.for_inference(engine.for_inference())
        engine.prepare(ready.streams)
        with require_unchanged(ready):
            features = encoder_features(ready, source.corpus, source.clips, observer)
        broken = int((~torch.isfinite(features)).any(dim=1).sum())
        if broken:
            raise EncoderError(
                f"{spec.encoder} gives features that are not finite for {broken} of {num_clips} clips; "
                "pretrain it again with a lower optimiser.learning_rate."
            )
        return features


@contextmanager
def require_unchanged(network: nn.Module) -> Iterator[None]:
    """Check on exit that no weight or batch statistic of the network changed.

    Raises:
        EncoderMoved: one has changed.
    """
    before = digests_of(network)
    yield
    moved = [name for name, digest in digests_of(network).items() if before.get(name) != digest]
    if moved:
        raise EncoderMoved(
            f"An evaluation must not change the network, but this one changed {len(moved)} tensors, for "
            f"example {moved[0]!r}, so the scores are invalid. Check that the network is in evaluation mode."
        )


def digests_of(network: nn.Module) -> dict[str, str]:
    """Return the SHA-256 of each weight and batch statistic, by name."""
    return {
        name: hashlib.sha256(tensor.numpy(force=True).tobytes()).hexdigest()
        for name, tensor in network.state_dict().items()
    }
