"""Packed corpus: a folder of memory-mapped arrays that many processes can read at the same time.

Opening reads a small header and maps the files. Data is loaded on first access, and the operating system's
page cache shares it between processes.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int8, Int32, Int64

from core.corpora.header import (
    ArrayName,
    CorpusHeader,
    file_digest,
    read_header,
)
from core.corpora.ragged import RaggedBatch, frames_of
from core.errors import CorpusError, SpecError
from core.pose.clip import Clip
from core.pose.skeleton import TRUNK
from core.specs.jobs import ClipSelection
from core.specs.plain_names import plain_name


class PackedCorpus:
    """Clips with labels, signers, sessions and splits, written by `core.corpora.writing`.

    Arrays are read-only and memory-mapped: `points` (F, 49, 2), `visible` (F, 49), `offsets` (N + 1,) into
    their frames, `labels`, `signers`, `sessions` (N,), -1 where unknown, and `splits` (N,).
    """

    def __init__(self, path: Path, header: CorpusHeader, arrays: dict[ArrayName, np.ndarray]) -> None:
        self.path = path
        self.header = header
        self.points: Float32[np.ndarray, "F 49 2"] = arrays["points"]
        self.visible: Bool[np.ndarray, "F 49"] = arrays["visible"]
        self.offsets: Int64[np.ndarray, " N+1"] = arrays["offsets"]
        self.labels: Int32[np.ndarray, " N"] = arrays["labels"]
        self.signers: Int32[np.ndarray, " N"] = arrays["signers"]
        self.sessions: Int32[np.ndarray, " N"] = arrays["sessions"]
        self.splits: Int8[np.ndarray, " N"] = arrays["splits"]
        self._names = arrays["names"]

    @classmethod
    def open(cls, path: Path | str) -> "PackedCorpus":
        """Map a corpus folder without reading its data.

        Raises:
            CorpusError: not a corpus, or the named file is missing, truncated or of the wrong type.
        """
        folder = Path(path)
        header = read_header(folder)
        arrays = {
            array: _map_array(folder / f"{array}.npy", dtype, shape, header.arrays[array].num_bytes)
            for array, (dtype, shape) in header.layout().items()
        }
        first, last = int(arrays["offsets"][0]), int(arrays["offsets"][-1])
        if (first, last) != (0, header.num_frames):
            raise CorpusError(
                f"{folder / 'offsets.npy'} is damaged: it runs from {first} to {last}, "
                f"not from 0 to {header.num_frames}."
            )
        return cls(folder, header, arrays)

    def __len__(self) -> int:
        return self.header.num_clips

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).open, (self.path,)  # a loader process maps the files itself

    @property
    def name(self) -> str:
        """Name of the corpus."""
        return self.header.name

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return self.header.digest

    @property
    def num_frames(self) -> int:
        """Total number of frames of all clips."""
        return self.header.num_frames

    @property
    def label_names(self) -> tuple[str, ...]:
        """Glosses, in the order of `labels`."""
        return self.header.label_names

    @property
    def signer_names(self) -> tuple[str, ...]:
        """Signers, in the order of `signers`."""
        return self.header.signer_names

    @property
    def session_names(self) -> tuple[str, ...]:
        """Sessions, in the order of `sessions`."""
        return self.header.session_names

    @property
    def split_names(self) -> tuple[str, ...]:
        """Splits, in the order of `splits`."""
        return self.header.split_names

    @property
    def split_counts(self) -> dict[str, int]:
        """Number of clips of each split; `train` is always listed, even with 0 clips."""
        return {name: int((self.splits == index).sum()) for index, name in enumerate(self.split_names)}

    @property
    def splits_summary(self) -> str:
        """The splits and their sizes, as text for a message."""
        return ", ".join(f"{name!r} ({count} clips)" for name, count in self.split_counts.items())

    @cached_property
    def lengths(self) -> Int64[np.ndarray, " N"]:
        """Number of frames of each clip."""
        return np.diff(self.offsets)

    @cached_property
    def has_trunk(self) -> Bool[np.ndarray, " N"]:
        """Whether each clip has a trunk (see `Clip.has_trunk`).

        Reads one frame of a clip, and more only if that one has no trunk.
        """
        found = np.asarray((self.points[self.offsets[:-1], TRUNK] != 0).any(axis=(1, 2)))
        for clip in np.flatnonzero(~found):
            found[clip] = self.points[self.offsets[clip] : self.offsets[clip + 1], TRUNK].any()
        return found

    def clip_name(self, index: int) -> str:
        """Return a clip's name in its source."""
        return bytes(self._names[index]).decode(errors="replace")

    def clip(self, index: int) -> Clip:
        """Return a copy of one clip."""
        index = range(len(self))[index]
        frames = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return Clip.of(np.array(self.points[frames]), np.array(self.visible[frames]))

    def gather(
        self, indices: Int64[np.ndarray, " B"] | Sequence[int], *, max_frames: int | None = None
    ) -> RaggedBatch:
        """Copy several clips, at most the first `max_frames` frames of each."""
        chosen = np.asarray(indices, dtype=np.int64)
        starts = self.offsets[:-1][chosen]
        lengths = self.offsets[1:][chosen] - starts
        if max_frames is not None:
            lengths = np.minimum(lengths, max_frames)
        frames = frames_of(starts, lengths)
        return RaggedBatch(self.points.take(frames, axis=0), self.visible.take(frames, axis=0), lengths)

    def select(self, selection: ClipSelection) -> Int64[np.ndarray, " n"]:
        """Return the indices of the selected clips, ascending.

        Raises:
            SpecError: the selection names a split, signer or label that the corpus does not have, or it
                leaves no clip.
        """
        kept = np.ones(len(self), dtype=np.bool_)
        if selection.splits:
            kept &= self._matching(selection.splits, "splits", self.split_names, self.splits)
        if selection.signers:
            kept &= self._matching(selection.signers, "signers", self.signer_names, self.signers)
        kept &= ~self._matching(selection.exclude_signers, "exclude_signers", self.signer_names, self.signers)
        kept &= ~self._matching(selection.exclude_labels, "exclude_labels", self.label_names, self.labels)
        if not kept.any():
            raise SpecError(
                f"`clips` selects no clip of corpus {self.name!r}. Its splits are {self.splits_summary}. "
                "Widen `clips`, or import the corpus with another split.",
                pointer="/clips",
            )
        return np.flatnonzero(kept)

    def verify(self) -> None:
        """Read all files and compare them with the digests. Slow for a large corpus.

        Raises:
            CorpusError: the content of the named file has changed since it was written.
        """
        for array, entry in self.header.arrays.items():
            path = self.path / f"{array}.npy"
            if file_digest(path) != entry.sha256:
                raise CorpusError(f"{path} is damaged: its digest does not match the header.")
        if self.header.computed_digest() != self.digest:
            raise CorpusError(f"{self.path}: the header's digest does not match its own names and arrays.")

    def _matching(
        self, wanted: tuple[str, ...], field: str, known: tuple[str, ...], values: np.ndarray
    ) -> Bool[np.ndarray, " N"]:
        forms = [plain_name(name) for name in known]
        unknown = [name for name in wanted if plain_name(name) not in forms]
        if unknown:
            raise SpecError(
                f"{field}: corpus {self.name!r} has no {', '.join(map(repr, unknown))}. "
                f"It has {', '.join(map(repr, known)) or 'none'}.",
                pointer=f"/clips/{field}",
            )
        plain = {plain_name(name) for name in wanted}
        return np.isin(values, [index for index, form in enumerate(forms) if form in plain])


def _map_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], num_bytes: int) -> np.ndarray:
    try:
        size = path.stat().st_size
        if size != num_bytes:
            raise CorpusError(f"{path} is damaged: {size} bytes instead of {num_bytes}.")
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise CorpusError(f"Cannot read {path}: {error.strerror or error}.") from None
    except ValueError as error:
        raise CorpusError(f"{path} is damaged: {error}.") from None
    if array.dtype != dtype or array.shape != shape:
        raise CorpusError(f"{path} is damaged: {array.dtype} of {array.shape} instead of {dtype} of {shape}.")
    return array.view(np.ndarray)
