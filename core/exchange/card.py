"""The card of an encoder: what it is, what it was made from, and how to feed it."""

from typing import Literal

from pydantic import Field, model_validator

from core.specs.fields import Closed
from core.specs.jobs import PretrainSpec
from core.specs.pretraining import PretrainConfig


class CorpusCard(Closed):
    """The corpus an encoder was pretrained on."""

    name: str
    """Its name."""
    digest: str
    """SHA-256 of its content."""
    num_clips: int
    """Clips that were selected from it."""


class ReleasedCard(Closed):
    """The file of the paper's released naming that an encoder was imported from."""

    file: str
    """Its name."""
    sha256: str
    """Digest of its content, in hexadecimal."""
    epoch: int | None
    """Epochs of training that it names."""
    left_out: dict[str, int]
    """Tensors that an encoder has no use for, counted by kind: `heads`, `key_networks`, `queues`, `unused`
    (the released code makes them and never calls them) and `unknown`."""


class EncoderCard(Closed):
    """Everything needed to load an encoder and to know where it comes from. Holds no time of day, so that
    the same run makes the same bytes."""

    format_version: Literal[1, 2] = 2
    """Of this card and the tensors beside it; from 2 on, digests of the clips it was pretrained on may be
    among them."""
    name: str
    """The encoder's name."""
    spec: PretrainSpec | None = None
    """What was asked; null where it was trained by other code."""
    config: PretrainConfig
    """The recipe with its overrides, resolved. Where other code trained it, `views` and `encoder` are what
    the network needs, and the rest says nothing about its training."""
    corpus: CorpusCard | None = None
    """What it learned from; null where that is not known."""
    step: int | None = None
    """Optimiser steps taken; null where that is not known."""
    released: ReleasedCard | None = Field(default=None, exclude_if=lambda released: released is None)
    """The file it was imported from; absent where it was pretrained here, so that such a card is what it was
    before encoders could be imported."""
    embedding_width: int
    """Width D of what `embed` returns."""
    signforge_version: str
    """Of the code that trained or imported it."""
    torch_version: str
    """Of the library that trained or imported it."""

    @model_validator(mode="after")
    def _origin_is_told(self) -> "EncoderCard":
        told = [part is not None for part in (self.spec, self.corpus, self.step)]
        if not all(told) and (any(told) or self.released is None):
            raise ValueError("a card tells spec, corpus and step together, or the released file instead")
        return self
