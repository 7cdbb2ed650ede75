"""Use a trained encoder without the service: pose files in, features out. torch is loaded on first use."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.config import Precision
from core.errors import CorpusError, UserError
from core.exchange.card import EncoderCard
from core.pose.clip import Clip
from core.specs import WantedFormat

if TYPE_CHECKING:
    from core.corpora.source import SourceClip
    from core.exchange.weights import LoadedEncoder

_log = logging.getLogger(__name__)


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
    profile: str = "wlasl",
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
    profile: str = "wlasl",
    image_size: tuple[int, int] | None = None,
) -> "list[SourceClip]":
    """Read and normalise clips, with the name, gloss, signer and session that their source gives them.

    `profile` names the confidence thresholds; `image_size` is (width, height) in pixels, for sources that do
    not say it. Clips that cannot be used are left out, with a warning in the log.

    Raises:
        CorpusError: the source is damaged, of no known format, or has no usable clip.
        UserError: there is no such profile.
    """
    from core.corpora.readers.detect import open_source
    from core.corpora.readers.raw_clip import ReadOptions
    from core.corpora.reading import read_clips
    from core.corpora.source import ReadReport
    from core.pose.normalise import PROFILES

    profiles = {str(name): value for name, value in PROFILES.items()}
    if profile not in profiles:
        raise UserError(f"There is no profile {profile!r}; there are: {', '.join(profiles)}.")
    report = ReadReport()
    with _unpacked(Path(path)) as source:
        options = ReadOptions(profiles[profile], image_size)
        clips = list(read_clips(open_source(source, source_format, options, report), processes=1))
    reasons = "; ".join(report.examples)
    if not clips:
        raise CorpusError(f"No clip of {path} can be used: {reasons or 'it is empty'}.")
    if report.num_skipped:
        _log.warning("%d clips of %s were left out: %s", report.num_skipped, path, reasons)
    return clips


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The source itself; an archive as a temporary folder."""
    from core.corpora.readers.unpack import UnpackLimits, is_archive, unpack

    if not is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="signforge-") as folder:
        unpack(path, Path(folder), limits=UnpackLimits())
        yield Path(folder)
