"""Use a trained encoder without the service: pose files in, features out. torch is loaded on first use."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.exchange.card import EncoderCard
from core.pose.clip import Clip
from core.specs.fields import Precision
from core.specs.jobs import WantedFormat
from signforge.pose_source import open_poses

if TYPE_CHECKING:
    from core.corpora.source import SourceClip
    from core.exchange.weights import LoadedEncoder

CLIPS_AT_ONCE = 64
"""Clips that are in memory together when a source is embedded."""


@dataclass(frozen=True)
class EmbeddedClips:
    """Some clips of a source and their features (B, D), a row each, in the source's order."""

    clips: tuple["SourceClip", ...]
    features: NDArray[np.float32]


class Encoder:
    """A trained encoder, made ready to embed: clips in, features out."""

    def __init__(self, loaded: "LoadedEncoder", *, precision: Precision = "fp32") -> None:
        from core.training.engine import Engine

        model = loaded.model
        engine = Engine.chosen("auto", precision, model.config.encoder, model.device, num_passes=1)
        self._model = model.for_inference(engine.for_inference())
        self.card: EncoderCard = loaded.card
        """What the encoder is and how it was made."""

    def embed(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """Return the features (N, D) of N clips, in their order: one row of unit-length pieces each."""
        return self._model.embed(clips)

    def embed_stream(
        self, clips: Iterable["SourceClip"], *, batch_size: int = CLIPS_AT_ONCE
    ) -> Iterator[EmbeddedClips]:
        """Yield the features of clips as they come, `batch_size` at a time; no more are held."""
        remaining = iter(clips)
        while some := tuple(islice(remaining, batch_size)):
            yield EmbeddedClips(some, self.embed([named.clip for named in some]))

    def embed_source(
        self,
        path: str | Path,
        *,
        source_format: WantedFormat = "auto",
        profile: str | None = None,
        image_size: tuple[int, int] | None = None,
        batch_size: int = CLIPS_AT_ONCE,
    ) -> Iterator[EmbeddedClips]:
        """Yield the features of the clips of a pose file, archive or folder, however large, in its order.

        Options are those of `read_clips`, and so is what is raised; clips that cannot be used are left out,
        with a warning in the log at the end.
        """
        with open_poses(path, source_format=source_format, profile=profile, image_size=image_size) as source:
            yield from self.embed_stream(source.clips, batch_size=batch_size)
            if not source.report.clips_read:
                raise source.nothing_usable()
            source.warn_of_skipped()


def load_encoder(path: str | Path, *, device: str = "cpu", precision: Precision = "fp32") -> Encoder:
    """Load a downloaded encoder: its `.safetensors` file, or the folder that it lies in.

    Its batch norms are folded into the layers before them; a CPU with a C++ compiler uses the native kernels
    (built once, in seconds). `precision` "bf16" is faster where the device has instructions for it.

    Raises:
        EncoderError: there is no encoder at `path`, or it is damaged.
    """
    from core.exchange.weights import load_encoder as load

    return Encoder(load(Path(path), device=device), precision=precision)


def read_clips(
    path: str | Path,
    *,
    source_format: WantedFormat = "auto",
    profile: str | None = None,
    image_size: tuple[int, int] | None = None,
) -> list[Clip]:
    """Read and normalise the clips of a pose file, archive or folder, as an import does.

    As `read_named_clips`, but the clips alone.
    """
    found = read_named_clips(path, source_format=source_format, profile=profile, image_size=image_size)
    return [named.clip for named in found]


def read_named_clips(
    path: str | Path,
    *,
    source_format: WantedFormat = "auto",
    profile: str | None = None,
    image_size: tuple[int, int] | None = None,
) -> "list[SourceClip]":
    """Read and normalise clips, with the name, gloss, signer and session that their source gives them.

    `profile` names the confidence thresholds; without one a benchmark's own count, else wlasl's.
    `image_size` is (width, height) in pixels, for sources that do not say it. Clips that cannot be used are
    left out, with a warning in the log.

    Raises:
        CorpusError: the source is damaged, of no known format, or has no usable clip.
        UserError: there is no such profile.
    """
    with open_poses(path, source_format=source_format, profile=profile, image_size=image_size) as source:
        clips = list(source.clips)
        if not clips:
            raise source.nothing_usable()
        source.warn_of_skipped()
    return clips
