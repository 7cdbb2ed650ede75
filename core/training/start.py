"""Starts a pretraining from an earlier encoder instead of from random weights."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from torch import nn

from core.contrast.stream_network import StreamNetwork
from core.exchange.card import StartCard
from core.exchange.weights import LoadedEncoder, encoder_file, load_encoder
from core.specs.pretraining import PretrainConfig
from core.specs.starting import check_start


@dataclass(frozen=True)
class Start:
    """The encoder that a pretraining starts from, and the SHA-256 of its file."""

    encoder: LoadedEncoder
    sha256: str

    @classmethod
    def read(cls, path: str, config: PretrainConfig) -> "Start":
        """Load the encoder at `path` for a pretraining with this configuration.

        Raises:
            EncoderError: it is no encoder, or damaged.
            SpecError: its network is another one.
        """
        encoder = load_encoder(path)
        check_start(encoder.card.name, encoder.card.config.encoder, config.encoder)
        return cls(encoder, hashlib.sha256(encoder_file(Path(path)).read_bytes()).hexdigest())

    def give_to(self, *networks: nn.ModuleDict) -> None:
        """Give its weights and batch statistics to the encoders of all streams of query and key networks."""
        for streams in networks:
            for stream, network in streams.items():
                assert isinstance(network, StreamNetwork)
                network.encoder.load_state_dict(self.encoder.model.streams[stream].state_dict())

    @property
    def card(self) -> StartCard:
        """What the new encoder's card says of it."""
        return StartCard(name=self.encoder.card.name, sha256=self.sha256)

    def clips_with(self, own: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"] | None:
        """Return the digests of its pretraining clips and of `own` ones; None if its own are unknown."""
        earlier = self.encoder.pretrained_clips
        return None if earlier is None else np.union1d(earlier, own)
