"""Files of features: one row a clip with what its source says about it, written as the clips come.

`.npz` is for NumPy, `.parquet` for data frames. While one is written, memory holds names and a batch.
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

from core.errors import StorageError, UserError
from core.exchange.card import EncoderCard
from signforge.encoder import EmbeddedClips

FACTS = ("label", "signer", "session", "split")
"""What a source may say about a clip, beside its name."""


@contextmanager
def feature_file(path: Path, card: EncoderCard) -> Iterator["FeatureFile"]:
    """Open `path` to be written; it is there, whole, once the block is left without an error.

    Raises:
        UserError: it ends neither in .npz nor in .parquet.
        StorageError: it cannot be written.
    """
    if path.suffix not in _KINDS:
        raise UserError(f"{path.name!r} ends neither in {' nor in '.join(_KINDS)}; choose one of them.")
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
    """A file that features are being added to."""

    def __init__(self, path: Path, partial: Path, card: EncoderCard) -> None:
        self.num_clips = 0
        self._path, self._partial, self._card = path, partial, card
        self._open()

    def add(self, batch: EmbeddedClips) -> None:
        """Add some clips.

        Raises:
            StorageError: they cannot be written.
        """
        with _naming(self._path):
            self._add(batch)
        self.num_clips += len(batch.clips)

    @abstractmethod
    def finish(self) -> None:
        """Write what had to wait until all clips were known."""

    @abstractmethod
    def close(self) -> None:
        """Let go of open files."""

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _add(self, batch: EmbeddedClips) -> None: ...


class NpzFeatureFile(FeatureFile):
    """`features` (N, D) float32, `names`, `num_frames`, `labels`, `signers`, `sessions` and `splits` (N), of
    which the last four are empty where the source says nothing, and the encoder's `card` as JSON."""

    def _open(self) -> None:
        self._archive = zipfile.ZipFile(self._partial, "w", allowZip64=True)
        self._rows = tempfile.TemporaryFile(dir=self._partial.parent)  # noqa: SIM115 - closed in `close`
        self._columns: dict[str, list[Any]] = {name: [] for name in ("name", "num_frames", *FACTS)}

    def _add(self, batch: EmbeddedClips) -> None:
        self._rows.write(np.ascontiguousarray(batch.features, dtype="<f4").tobytes())
        for named in batch.clips:
            self._columns["num_frames"].append(len(named.clip))
            for column in ("name", *FACTS):
                self._columns[column].append(_text(getattr(named, column)) or "")

    def finish(self) -> None:
        """Write the rows behind a header that says how many there are, then the columns."""
        shape = (self.num_clips, self._card.embedding_width)
        self._rows.seek(0)
        with self._archive.open("features.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            shutil.copyfileobj(self._rows, member)
        self._write("card", np.array(self._card.model_dump_json()))
        self._write("num_frames", np.array(self._columns["num_frames"], dtype=np.int64))
        for name in ("name", *FACTS):
            self._write(f"{name}s", np.array(self._columns[name], dtype=np.str_))

    def close(self) -> None:
        """Let go of the archive and of the rows."""
        self._archive.close()
        self._rows.close()

    def _write(self, name: str, array: np.ndarray) -> None:
        with self._archive.open(f"{name}.npy", "w") as member:
            np.lib.format.write_array(member, array, allow_pickle=False)


class ParquetFile(FeatureFile):
    """Columns `name`, `num_frames`, `label`, `signer`, `session`, `split` (null where the source is silent)
    and `features`: D numbers each. The encoder's card is the file's metadata `signforge_card`."""

    def _open(self) -> None:
        import pyarrow as pa  # only who asks for such a file waits for it
        import pyarrow.parquet as pq

        width = self._card.embedding_width
        fields = [("name", pa.string()), ("num_frames", pa.int32()), *((fact, pa.string()) for fact in FACTS)]
        self._schema = pa.schema(
            [*fields, ("features", pa.list_(pa.float32(), width))],
            metadata={"signforge_card": self._card.model_dump_json()},
        )
        self._writer = pq.ParquetWriter(
            self._partial, self._schema, compression="zstd", use_dictionary=list(FACTS)
        )

    def _add(self, batch: EmbeddedClips) -> None:
        import pyarrow as pa

        features = pa.array(batch.features.ravel())
        columns = {
            "features": pa.FixedSizeListArray.from_arrays(features, self._card.embedding_width),
            "num_frames": [len(named.clip) for named in batch.clips],
        }
        for column in ("name", *FACTS):
            columns[column] = [_text(getattr(named, column)) for named in batch.clips]
        self._writer.write_table(pa.table(columns, schema=self._schema))

    def finish(self) -> None:
        """Nothing had to wait."""

    def close(self) -> None:
        """Write the file's end and let go of it."""
        self._writer.close()


_KINDS: dict[str, type[FeatureFile]] = {".npz": NpzFeatureFile, ".parquet": ParquetFile}


def _text(text: str | None) -> str | None:
    """File names may hold bytes that are no text; columns may not."""
    return None if text is None else text.encode(errors="replace").decode()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}.") from None
