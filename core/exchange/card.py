"""The card of an encoder: what it is, what it was made from, and how to feed it."""

from typing import Literal

from core.config import Closed, PretrainConfig
from core.specs import PretrainSpec


class CorpusCard(Closed):
    """The corpus an encoder was pretrained on."""

    name: str
    """Its name."""
    digest: str
    """SHA-256 of its content."""
    num_clips: int
    """Clips that were selected from it."""


class EncoderCard(Closed):
    """Everything needed to load an encoder and to know where it comes from. Holds no time of day, so that
    the same run makes the same bytes."""

    format_version: Literal[1] = 1
    """Of this card and the tensors beside it."""
    name: str
    """The encoder's name."""
    spec: PretrainSpec
    """What was asked."""
    config: PretrainConfig
    """The recipe with its overrides, resolved."""
    corpus: CorpusCard
    """What it learned from."""
    step: int
    """Optimiser steps taken."""
    embedding_width: int
    """Width D of what `embed` returns."""
    signforge_version: str
    """Of the code that trained it."""
    torch_version: str
    """Of the library that trained it."""
