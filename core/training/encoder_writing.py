"""Writes the encoder at the end of a run, with its card (provenance)."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import nn

from core.errors import DivergedError
from core.exchange.card import CorpusCard, EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import save_encoder
from core.specs.jobs import PretrainSpec
from core.specs.pretraining import PretrainConfig
from core.training.start import Start


def write_encoder(
    folder: Path,
    networks: nn.ModuleDict,
    *,
    fit: Callable[[ClipEncoder], None],
    spec: PretrainSpec,
    config: PretrainConfig,
    corpora: Sequence[CorpusCard],
    step: int,
    start: Start | None,
    clips: Int64[np.ndarray, " N"],
) -> str:
    """Write the query encoders of both streams with their card, and return the file's SHA-256.

    `fit` takes the embedding's statistics from the pretraining clips. `clips` are shortened digests of the
    clips, by which evaluations recognise them; those of the encoder that was the start are added.

    Raises:
        DivergedError: a weight is not finite.
        StorageError: the disk is full.
    """
    encoder = ClipEncoder(config)
    for stream, network in networks.items():
        encoder.streams[stream].load_state_dict(network.encoder.state_dict())  # type: ignore[union-attr]
    fit(encoder.eval())
    if not all(torch.isfinite(tensor).all() for tensor in encoder.state_dict().values()):
        raise diverged("After the last updates some weights are not finite", config)
    card = EncoderCard(
        name=spec.name,
        spec=_with_names(spec, corpora, start),
        config=config,
        corpus=corpora[0],
        also=tuple(corpora[1:]),
        step=step,
        start=start and start.card,
        embedding_width=encoder.embedding_width,
        signforge_version=version("signforge"),
        torch_version=torch.__version__,
    )
    seen = clips if start is None else start.clips_with(clips)
    return save_encoder(folder, encoder, card, pretrained_clips=seen)


def _with_names(spec: PretrainSpec, corpora: Sequence[CorpusCard], start: Start | None) -> PretrainSpec:
    """Return the specification with names instead of local paths."""
    more = zip(spec.also, corpora[1:], strict=True)
    names = {
        "corpus": corpora[0].name,
        "also": tuple(each.model_copy(update={"corpus": card.name}) for each, card in more),
        "start": start and start.card.name,
    }
    return spec.model_copy(update=names)


def diverged(what: str, config: PretrainConfig) -> DivergedError:
    """Return the error for `what` happened, with the settings to change."""
    return DivergedError(
        f"{what}; lower optimiser.learning_rate (it is {config.optimiser.learning_rate}) "
        "or raise optimiser.warmup_steps."
    )


def collapsed(reasons: Sequence[str], config: PretrainConfig) -> str:
    """Return the message for collapsed embeddings, with these `reasons` and the settings to change."""
    optimiser, temperature = config.optimiser, config.contrast.temperature
    return (
        f"The embeddings have collapsed: {'; '.join(reasons)}. Such an encoder hardly separates clips; try "
        f"a lower optimiser.learning_rate (it is {optimiser.learning_rate}) or optimiser.weight_decay "
        f"({optimiser.weight_decay}), more optimiser.warmup_steps, or another contrast.temperature "
        f"({temperature})."
    )
