"""Model card of an encoder: its configuration, its origin and its input format."""

from typing import Literal

from pydantic import Field, model_validator

from core.specs.fields import Closed
from core.specs.jobs import PretrainSpec
from core.specs.preprocessing import Preprocessing
from core.specs.pretraining import PretrainConfig
from core.specs.weights import epoch_length


class CorpusCard(Closed):
    """The corpus an encoder was pretrained on."""

    name: str
    """Name of the corpus."""
    digest: str
    """SHA-256 of the corpus' content."""
    num_clips: int
    """Number of clips selected for pretraining."""
    preprocessing: Preprocessing | None = Field(default=None, exclude_if=lambda record: record is None)
    """How the corpus was read; absent if unknown. New clips are read the same way."""
    clips_without_body: int = Field(default=0, exclude_if=lambda count: count == 0)
    """Number of these that have hands only; absent if all have a body."""


class ReleasedCard(Closed):
    """The checkpoint of the paper's released code that an encoder was imported from."""

    file: str
    """Name of the file."""
    sha256: str
    """Digest of the file's content, in hexadecimal."""
    epoch: int | None
    """Number of training epochs stated in the file."""
    left_out: dict[str, int]
    """Number of tensors that are not part of an encoder, by kind: `heads`, `key_networks`, `queues`, `unused`
    (created by the released code but never used) and `unknown`."""


class StartCard(Closed):
    """The encoder that a pretraining started from."""

    name: str
    """Its name."""
    sha256: str
    """Digest of its file, in hexadecimal."""


class EncoderCard(Closed):
    """Everything needed to load an encoder and to trace its origin.

    A card holds no timestamps, so that runs are byte-reproducible.
    """

    format_version: Literal[1, 2] = 2
    """Format version of the card and the tensors. Version 2 may include digests of the pretraining clips."""
    name: str
    """Name of the encoder."""
    spec: PretrainSpec | None = None
    """The pretraining job's specification; null if other code trained the encoder."""
    config: PretrainConfig
    """The recipe with all overrides applied. If other code trained the encoder, only `views` and `encoder`
    are meaningful; they describe the network."""
    corpus: CorpusCard | None = None
    """The pretraining corpus, or the first of several; null if unknown."""
    also: tuple[CorpusCard, ...] = Field(default=(), exclude_if=lambda also: not also)
    """The further pretraining corpora; absent if there is one."""
    step: int | None = None
    """Number of optimiser steps; null if unknown."""
    start: StartCard | None = Field(default=None, exclude_if=lambda start: start is None)
    """The encoder it was started from; absent if it was started from random weights."""
    released: ReleasedCard | None = Field(default=None, exclude_if=lambda released: released is None)
    """The file that the encoder was imported from; absent if it was pretrained here. So cards of pretrained
    encoders are unchanged since before imports existed."""
    embedding_width: int
    """Width D of the embeddings that `embed` returns."""
    signforge_version: str
    """Version of signforge that trained or imported the encoder."""
    torch_version: str
    """Version of PyTorch that trained or imported the encoder."""

    @property
    def clips_an_epoch(self) -> int | None:
        """Number of clips that an epoch of the pretraining drew; None if unknown."""
        if self.corpus is None or self.spec is None:
            return None
        weighted = zip(self.also, self.spec.also, strict=True)
        more = [(corpus.num_clips, named.weight) for corpus, named in weighted]
        return epoch_length([(self.corpus.num_clips, 1), *more])

    @model_validator(mode="after")
    def _has_origin(self) -> "EncoderCard":
        known = [part is not None for part in (self.spec, self.corpus, self.step)]
        if not all(known) and (any(known) or self.released is None):
            raise ValueError("a card must have spec, corpus and step together, or the released file instead")
        if len(self.also) != (0 if self.spec is None else len(self.spec.also)):
            raise ValueError("a card must have as many further corpora (also) as its spec")
        return self
