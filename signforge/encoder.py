"""Use a trained encoder without the service: embed pose files as features. torch is imported on first use."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from core.exchange.card import EncoderCard
from core.pose.clip import Clip
from core.specs.fields import Precision
from core.specs.preprocessing import Preprocessing
from signforge.pose_source import HowToRead, check_options, open_poses

if TYPE_CHECKING:
    from core.corpora.source import SourceClip
    from core.exchange.weights import LoadedEncoder

CLIPS_AT_ONCE = 64
"""Clips that are in memory at the same time when a source is embedded."""


@dataclass(frozen=True)
class EmbeddedClips:
    """A batch of clips of a source, and their features (B, D), one row per clip, in the source's order."""

    clips: tuple["SourceClip", ...]
    features: NDArray[np.float32]


class Encoder:
    """A trained encoder, ready to embed clips as features."""

    def __init__(self, loaded: "LoadedEncoder", *, precision: Precision = "fp32") -> None:
        from core.training.engine import Engine

        model = loaded.model
        engine = Engine.chosen("auto", precision, model.config.encoder, model.device, num_passes=1)
        self._model = model.for_inference(engine.for_inference())
        self.card: EncoderCard = loaded.card
        """What the encoder is and how it was trained."""

    def embed(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """Return the features (N, D) of N clips, in order: one row of unit-length pieces per clip.

        Raises:
            UserError: `clips` is no list of clips.
        """
        if not isinstance(clips, Sequence) or not all(isinstance(clip, Clip) for clip in clips):
            raise UserError(
                f"embed takes a list of clips from read_clips, not {type(clips).__name__}; for a path use "
                "embed_source."
            )
        return self._model.embed(clips)

    def embed_stream(
        self, clips: Iterable["SourceClip"], *, batch_size: int = CLIPS_AT_ONCE
    ) -> Iterator[EmbeddedClips]:
        """Yield the features of clips in batches of `batch_size`. Only one batch is in memory."""
        remaining = iter(clips)
        while some := tuple(islice(remaining, batch_size)):
            yield EmbeddedClips(some, self.embed([named.clip for named in some]))

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How the clips that the encoder learned from were read; None if unknown."""
        return None if self.card.corpus is None else self.card.corpus.preprocessing

    def embed_source(
        self, path: str | Path, *, batch_size: int = CLIPS_AT_ONCE, **how: Unpack[HowToRead]
    ) -> Iterator[EmbeddedClips]:
        """Yield the features of the clips of a pose file, archive or folder of any size, in its order.

        Clips are read as those that the encoder learned from, unless options say otherwise. Options and
        exceptions are those of `read_named_clips`. At the end the log tells of skipped clips, and a
        `FindingWarning` of clips that probably do not mean what they were read as.
        """
        check_options(how)  # now, not when the first batch is asked for
        how.setdefault("record", self.preprocessing)
        return self._embed_source(path, batch_size, how)

    def _embed_source(self, path: str | Path, batch_size: int, how: HowToRead) -> Iterator[EmbeddedClips]:
        with open_poses(path, **how) as source:
            yield from self.embed_stream(source.clips, batch_size=batch_size)
            if not source.report.clips_read:
                raise source.nothing_usable()
            source.warn_of_skipped()
            source.warn_of_findings(stacklevel=2)


def load_encoder(path: str | Path, *, device: str = "cpu", precision: Precision = "fp32") -> Encoder:
    """Load a downloaded encoder: its `.safetensors` file or the folder of that file.

    Batch norms are folded into the layers before them. On a CPU with a C++ compiler the native kernels are
    used (built once, in seconds). `precision` "bf16" is faster on devices with bf16 instructions.

    Raises:
        EncoderError: there is no encoder at `path`, or it is damaged.
    """
    from core.exchange.weights import load_encoder as load

    return Encoder(load(Path(path), device=device), precision=precision)


def read_clips(path: str | Path, **how: Unpack[HowToRead]) -> list[Clip]:
    """Read and normalise the clips of a pose file, archive or folder, as an import does.

    The same as `read_named_clips`, without names and labels.
    """
    return [named.clip for named in _read(path, how)]


def read_named_clips(path: str | Path, **how: Unpack[HowToRead]) -> "list[SourceClip]":
    """Read and normalise clips, with the name, gloss, signer and session that their source states.

    Unusable clips are skipped, with a warning in the log. A `FindingWarning` tells of clips that probably do
    not mean what they were read as, such as exchanged hands.

    Args:
        path: a pose file, an archive or a folder.
        how: any of these options:
            `record`: how the clips of an encoder were read, its `preprocessing`; it sets what is not stated.
            `source_format`: name of the format; detected by default.
            `profile`: benchmark of the confidence thresholds.
            `image_size`: (width, height) in pixels, whatever files state.
            `sides`: `exchange_hands` or `exchange_all` exchanges left and right.
            `unmirror_frames`: undo the mirroring of frames.
            `part_order`: order of the parts in vectors of `mp_data`.
            `archive_encoding`: encoding of file names in an archive.

    Raises:
        CorpusError: the source is damaged, its format is unknown, or it has no usable clip.
        UserError: an option or one of its choices does not exist.
    """
    return _read(path, how)


def _read(path: str | Path, how: HowToRead) -> "list[SourceClip]":
    with open_poses(path, **how) as source:
        clips = list(source.clips)
        if not clips:
            raise source.nothing_usable()
        source.warn_of_skipped()
        source.warn_of_findings(stacklevel=3)
    return clips
