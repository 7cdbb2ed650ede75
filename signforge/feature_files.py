"""Feature files: one row per clip with its features and metadata, written as a stream.

`.npz` is for NumPy, `.parquet` for data frames. While a file is written, memory holds names and one batch.
"""

import os
import shutil
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from core.corpora.readers.untrusted.naming import escaped
from core.errors import StorageError, UserError
from core.exchange.card import EncoderCard
from signforge.encoder import EmbeddedClips

METADATA = ("label", "signer", "session", "split")
"""Metadata that a source may state about a clip, besides its name."""


@contextmanager
def feature_file(path: Path, card: EncoderCard) -> Iterator["FeatureFile"]:
    """Open `path` for writing. The complete file exists after the block is left without an error.

    Raises:
        UserError: the path ends neither in .npz nor in .parquet.
        StorageError: the file cannot be written.
    """
    if path.suffix not in _KINDS:
        raise UserError(f"{path.name!r} must end in {' or '.join(_KINDS)}.")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with _naming(path):
            file = _KINDS[path.suffix](path, partial, card)
        try:
            yield file
            with _naming(path):
                file.finish()
        finally:
            with _naming(path):
                file.close()
        with _naming(path):
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class FeatureFile(ABC):
    """A feature file that is being written."""

    def __init__(self, path: Path, partial: Path, card: EncoderCard) -> None:
        self.num_clips = 0
        self._path, self._partial, self._card = path, partial, card
        self._open()

    def add(self, batch: EmbeddedClips) -> None:
        """Add a batch of clips.

        Raises:
            StorageError: the file cannot be written.
        """
        with _naming(self._path):
            self._add(batch)
        self.num_clips += len(batch.clips)

    @abstractmethod
    def finish(self) -> None:
        """Write the parts that need all clips."""

    @abstractmethod
    def close(self) -> None:
        """Close open files."""

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _add(self, batch: EmbeddedClips) -> None: ...


class NpzFeatureFile(FeatureFile):
    """A .npz file with `features` (N, D) float32, `names`, `num_frames`, `labels`, `signers`, `sessions`,
    `splits` (N) and the encoder's `card` as JSON. Labels, signers, sessions and splits are empty if the
    source does not state them."""

    def _open(self) -> None:
        self._archive = zipfile.ZipFile(self._partial, "w", allowZip64=True)
        self._rows = tempfile.TemporaryFile(dir=self._partial.parent)  # noqa: SIM115 - closed in `close`
        self._columns: dict[str, list[Any]] = {name: [] for name in ("name", "num_frames", *METADATA)}

    def _add(self, batch: EmbeddedClips) -> None:
        self._rows.write(np.ascontiguousarray(batch.features, dtype="<f4").tobytes())
        for named in batch.clips:
            self._columns["num_frames"].append(len(named.clip))
            for column in ("name", *METADATA):
                self._columns[column].append(_text(getattr(named, column)) or "")

    def finish(self) -> None:
        """Write the features after a header with their number, then the columns."""
        shape = (self.num_clips, self._card.embedding_width)
        self._rows.seek(0)
        with self._archive.open("features.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            shutil.copyfileobj(self._rows, member)
        self._write("card", np.array(self._card.model_dump_json()))
        self._write("num_frames", np.array(self._columns["num_frames"], dtype=np.int64))
        for name in ("name", *METADATA):
            self._write(f"{name}s", np.array(self._columns[name], dtype=np.str_))

    def close(self) -> None:
        """Close the archive and the temporary file of features."""
        self._archive.close()
        self._rows.close()

    def _write(self, name: str, array: np.ndarray) -> None:
        with self._archive.open(f"{name}.npy", "w") as member:
            np.lib.format.write_array(member, array, allow_pickle=False)


class ParquetFile(FeatureFile):
    """A .parquet file with columns `name`, `num_frames`, `label`, `signer`, `session`, `split` (null if the
    source does not state it) and `features` (D numbers). Its metadata `signforge_card` is the card."""

    def _open(self) -> None:
        import pyarrow as pa  # slow to import, so only when needed
        import pyarrow.parquet as pq

        width = self._card.embedding_width
        fields = [
            ("name", pa.string()),
            ("num_frames", pa.int32()),
            *((name, pa.string()) for name in METADATA),
        ]
        self._schema = pa.schema(
            [*fields, ("features", pa.list_(pa.float32(), width))],
            metadata={"signforge_card": self._card.model_dump_json()},
        )
        self._writer = pq.ParquetWriter(
            self._partial, self._schema, compression="zstd", use_dictionary=list(METADATA)
        )

    def _add(self, batch: EmbeddedClips) -> None:
        import pyarrow as pa

        features = pa.array(batch.features.ravel())
        columns = {
            "features": pa.FixedSizeListArray.from_arrays(features, self._card.embedding_width),
            "num_frames": [len(named.clip) for named in batch.clips],
        }
        for column in ("name", *METADATA):
            columns[column] = [_text(getattr(named, column)) for named in batch.clips]
        self._writer.write_table(pa.table(columns, schema=self._schema))

    def finish(self) -> None:
        """Do nothing: no part needs all clips."""

    def close(self) -> None:
        """Write the footer and close the file."""
        self._writer.close()


_KINDS: dict[str, type[FeatureFile]] = {".npz": NpzFeatureFile, ".parquet": ParquetFile}


def _text(text: str | None) -> str | None:
    """Escape bytes that are not text: file names may have them, columns may not."""
    return None if text is None else escaped(text)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}.") from None
