"""Read per-clip metadata from an `.npz` of many clips: name, label, signer, session, split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.corpora.readers.raw_clip import RawClip
from core.corpora.readers.untrusted.npz import UntrustedNpz, as_corpus_error
from core.errors import CorpusError


@dataclass(frozen=True)
class ClipColumns:
    """One entry per clip, None where unknown; a clip without a name is named by its number."""

    names: Sequence[str]
    labels: Sequence[str | None]
    signers: Sequence[str | None]
    sessions: Sequence[str | None]
    splits: Sequence[str | None]

    @classmethod
    def of(cls, file: UntrustedNpz, num_clips: int) -> "ClipColumns":
        """Read the optional arrays `names`, `labels`, `signer`, `session` and `split`.

        Each has one entry per clip: text, or integers into `class_names`, `signer_names`, `session_names` or
        `split_names`; -1 or an empty text means unknown.

        Raises:
            CorpusError: an array has the wrong length or type, or an integer has no name.
        """
        return cls(
            names=[
                name or f"{number:06d}" for number, name in enumerate(_column(file, "names", None, num_clips))
            ],
            labels=_column(file, "labels", "class_names", num_clips),
            signers=_column(file, "signer", "signer_names", num_clips),
            sessions=_column(file, "session", "session_names", num_clips),
            splits=_column(file, "split", "split_names", num_clips),
        )

    def select_clips(self, clips: slice) -> "ClipColumns":
        """Return the entries of some clips."""
        columns = (self.names, self.labels, self.signers, self.sessions, self.splits)
        return ClipColumns(*(column[clips] for column in columns))  # type: ignore[arg-type]

    def raw_clip(
        self,
        index: int,
        keypoints: np.ndarray,
        image_size: tuple[int, int],
        frame_rate: float | None = None,
        highest_confidence: float | None = None,
    ) -> RawClip:
        """Make clip `index` with these keypoints."""
        return RawClip.of(
            keypoints,
            image_size,
            self.names[index],
            self.labels[index],
            self.signers[index],
            self.sessions[index],
            self.splits[index],
            frame_rate=frame_rate,
            highest_confidence=highest_confidence,
        )


def _column(file: UntrustedNpz, name: str, names_array: str | None, num_clips: int) -> Sequence[str | None]:
    if name not in file:
        return [None] * num_clips
    values = file.array(name)
    if values.shape != (num_clips,):
        raise CorpusError(
            f"{file.path}: {name!r} must have one entry per clip, shape ({num_clips},); got {values.shape}."
        )
    if values.dtype.kind in "US":
        return [text or None for text in _texts(file, name, values)]
    if values.dtype.kind not in "iu":
        raise CorpusError(f"{file.path}: {name!r} must hold integers or text; got {values.dtype}.")
    if names_array is None or names_array not in file:
        return [str(value) if value >= 0 else None for value in values.tolist()]
    texts = _texts(file, names_array, file.array(names_array))
    if len(values) and values.max() >= len(texts):
        raise CorpusError(
            f"{file.path}: {name!r} has values up to {values.max()}, but {names_array!r} has only "
            f"{len(texts)} names."
        )
    return [texts[value] if value >= 0 else None for value in values.tolist()]


def _texts(file: UntrustedNpz, name: str, values: np.ndarray) -> list[str]:
    if values.ndim != 1 or values.dtype.kind not in "US":
        raise CorpusError(f"{file.path}: {name!r} must be a list of text; got {values.dtype} {values.shape}.")
    with as_corpus_error(file.path, name):
        return [text.decode() if isinstance(text, bytes) else str(text) for text in values.tolist()]
