"""Read columns of untrusted Parquet files in batches of rows. pyarrow is imported on first use."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.corpora.readers.untrusted.npz import as_corpus_error, as_float64
from core.errors import CorpusError
from core.source_files import open_source

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_ROWS = 10_000_000
"""Maximum rows of a file: 18,000 frames of 543 landmarks."""
MAX_TEXT_BYTES = 512 * 2**20
"""Maximum bytes of text in a column: about fifty bytes in each of `MAX_ROWS` rows."""

ColumnKind = Literal["integers", "numbers", "text"]

_MAGIC = b"PAR1"
_ROWS_AT_ONCE = 65_536


def is_parquet(path: Path) -> bool:
    """Whether a file starts like a Parquet file."""
    with as_corpus_error(path), open_source(path) as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def column_names(path: Path) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        CorpusError: it is damaged, or not Parquet.
    """
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def read_batches(
    path: Path, kinds: Mapping[str, ColumnKind], optional: Mapping[str, ColumnKind] | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Yield a file's columns as arrays, in batches of rows; text as objects, missing numbers as NaN.

    Raises:
        CorpusError: a column is missing, has the wrong type, or has a null integer or text, or the file is
            damaged.
    """
    texts = [name for name, kind in {**kinds, **(optional or {})}.items() if kind == "text"]
    with _opened(path, texts) as file:
        schema = file.schema_arrow
        wanted = {**kinds, **{name: kind for name, kind in (optional or {}).items() if name in schema.names}}
        for name, kind in wanted.items():
            _check_column(path, schema, name, kind)
        _check_size(path, file.metadata, set(texts))
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(wanted), use_threads=False):
            yield {name: _values(path, batch, name, kind) for name, kind in wanted.items()}


@contextmanager
def _opened(path: Path, texts: Sequence[str] = ()) -> "Iterator[pq.ParquetFile]":
    """Open the file; repeated values of the text columns `texts` are stored once in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with as_corpus_error(path):
        try:
            with (
                open_source(path) as stream,
                pq.ParquetFile(stream, read_dictionary=list(texts), thrift_string_size_limit=2**24) as file,
            ):
                yield file
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise CorpusError(f"{path} is damaged, or not Parquet: {_first_line(error)}.") from None


def _check_column(path: Path, schema: "pa.Schema", name: str, kind: ColumnKind) -> None:
    import pyarrow.types as types

    if schema.names.count(name) != 1:
        raise CorpusError(
            f"{path} must have exactly one column {name!r}; it has {', '.join(schema.names) or 'none'}."
        )
    found: Any = schema.field(name).type
    if types.is_dictionary(found):
        found = found.value_type
    fits = {
        "integers": types.is_integer(found),
        "numbers": types.is_integer(found) or types.is_floating(found),
        "text": types.is_string(found) or types.is_large_string(found),
    }
    if not fits[kind]:
        raise CorpusError(f"{path}: column {name!r} must hold {kind}; it holds {found}.")


def _check_size(path: Path, metadata: "pq.FileMetaData", texts: set[str]) -> None:
    if metadata.num_rows > MAX_ROWS:
        raise CorpusError(f"{path} has {metadata.num_rows} rows; the limit is {MAX_ROWS}.")
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    chunks = [group.column(index) for group in groups for index in range(group.num_columns)]
    for name in texts:
        size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == name)
        if size > MAX_TEXT_BYTES:
            raise CorpusError(
                f"{path}: column {name!r} holds {size} bytes of text; the limit is {MAX_TEXT_BYTES} bytes."
            )


def _values(path: Path, batch: "pa.RecordBatch", name: str, kind: ColumnKind) -> np.ndarray:
    column: Any = batch.column(name)
    if kind != "numbers" and column.null_count:
        raise CorpusError(f"{path}: column {name!r} is empty (null) in {column.null_count} rows.")
    if kind == "numbers":
        return as_float64(column.to_numpy(zero_copy_only=False))
    if kind == "text":
        coded = column if hasattr(column, "dictionary") else column.dictionary_encode()
        words = np.array(coded.dictionary.to_pylist(), dtype=object)
        return words[coded.indices.to_numpy(zero_copy_only=False)]
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
