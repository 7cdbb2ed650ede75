"""Read columns of untrusted Parquet files in batches of rows. pyarrow is imported on first use."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.corpora.readers.untrusted.naming import listed, shortened
from core.corpora.readers.untrusted.npz import as_corpus_error, as_float64
from core.errors import CorpusError
from core.source_files import open_source

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_ROWS = 10_000_000
"""Maximum rows of a file: 18,000 frames of 543 landmarks."""
MAX_COLUMN_BYTES = 512 * 2**20
"""Maximum unpacked bytes of a column: about fifty bytes in each of `MAX_ROWS` rows."""
MAX_COLUMNS = 2500
"""Maximum columns of a file: x, y, z and visibility of 543 landmarks."""
MAX_CHUNKS = 100_000
"""Maximum number of columns times row groups."""
MAX_FOOTER_BYTES = 16 * 2**20
"""Maximum size of the description at the end of a file: of columns, row groups and statistics."""

ColumnKind = Literal["integers", "numbers", "text", "names"]
"""What a column must hold. `names` are text or whole numbers, given as text; null is empty."""

_ALSO: dict[ColumnKind, tuple[ColumnKind, ...]] = {
    "numbers": ("integers",),
    "names": ("text", "integers", "numbers"),
}
_WANTED: dict[ColumnKind, str] = {"names": "text or whole numbers"}
_MAGIC = b"PAR1"
_ROWS_AT_ONCE = 65_536
_END_BYTES = 8


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


def column_kinds(path: Path) -> dict[str, ColumnKind]:
    """Return the kind of each column that holds numbers or text.

    Raises:
        CorpusError: it is damaged, or not Parquet.
    """
    with _opened(path) as file:
        schema = file.schema_arrow
        found = {name: _kind(schema.field(index).type) for index, name in enumerate(schema.names)}
    return {name: kind for name, kind in found.items() if kind is not None}


def read_batches(
    path: Path, kinds: Mapping[str, ColumnKind], optional: Mapping[str, ColumnKind] | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Yield a file's columns as arrays, in batches of rows; text as objects, missing numbers as NaN.

    A missing name is empty. A whole number in a column of floats is a name without a fraction, because
    pandas writes integers with gaps so.

    Raises:
        CorpusError: a column is missing, has the wrong type, or has a null integer or text, or the file is
            damaged.
    """
    texts = [name for name, kind in {**kinds, **(optional or {})}.items() if kind in ("text", "names")]
    with _opened(path, texts) as file:
        schema = file.schema_arrow
        wanted = {**kinds, **{name: kind for name, kind in (optional or {}).items() if name in schema.names}}
        for name, kind in wanted.items():
            _check_column(path, schema, name, kind)
        _check_columns(path, file.metadata, set(wanted))
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(wanted), use_threads=False):
            yield {name: _values(path, batch, name, kind) for name, kind in wanted.items()}


@contextmanager
def _opened(path: Path, texts: Sequence[str] = ()) -> "Iterator[pq.ParquetFile]":
    """Open the file; repeated values of the text columns `texts` are stored once in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with as_corpus_error(path):
        _check_footer(path)
        try:
            with (
                open_source(path) as stream,
                pq.ParquetFile(
                    stream,
                    read_dictionary=list(texts),
                    thrift_string_size_limit=MAX_FOOTER_BYTES,
                    thrift_container_size_limit=MAX_CHUNKS,
                ) as file,
            ):
                _check_size(path, file.metadata)
                yield file
        except MemoryError:
            raise  # also an ArrowException
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise CorpusError(f"{path} is damaged, or not Parquet: {_first_line(error)}.") from None


def _check_column(path: Path, schema: "pa.Schema", name: str, kind: ColumnKind) -> None:
    if schema.names.count(name) != 1:
        raise CorpusError(f"{path} must have exactly one column {name!r}; it has {listed(schema.names)}.")
    type_found: Any = schema.field(name).type
    found = _kind(type_found)
    if found != kind and found not in _ALSO.get(kind, ()):
        wanted = _WANTED.get(kind, kind)
        raise CorpusError(
            f"{path}: column {name!r} must hold {wanted}; it holds {shortened(str(type_found))}."
        )


def _kind(found: Any) -> ColumnKind | None:
    import pyarrow.types as types

    if types.is_dictionary(found):
        found = found.value_type
    if types.is_integer(found):
        return "integers"
    if types.is_floating(found):
        return "numbers"
    return "text" if types.is_string(found) or types.is_large_string(found) else None


def _check_size(path: Path, metadata: "pq.FileMetaData") -> None:
    num_columns, num_groups = metadata.num_columns, metadata.num_row_groups
    if metadata.num_rows > MAX_ROWS:
        raise CorpusError(f"{path} has {metadata.num_rows} rows; the limit is {MAX_ROWS}.")
    if num_columns > MAX_COLUMNS:
        raise CorpusError(f"{path} has {num_columns} columns; the limit is {MAX_COLUMNS}. Remove some.")
    if num_columns * num_groups > MAX_CHUNKS:
        raise CorpusError(
            f"{path} has {num_groups} row groups of {num_columns} columns; the limit is {MAX_CHUNKS} in all. "
            "Write larger row groups."
        )


def _check_columns(path: Path, metadata: "pq.FileMetaData", wanted: set[str]) -> None:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    chunks = [group.column(index) for group in groups for index in range(group.num_columns)]
    for name in sorted(wanted):
        size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == name)
        if size > MAX_COLUMN_BYTES:
            raise CorpusError(
                f"{path}: column {name!r} has {size} bytes; the limit is {MAX_COLUMN_BYTES} bytes."
            )


def _check_footer(path: Path) -> None:
    """Check the size of the footer, which is stated in the eight last bytes of the file."""
    with open_source(path) as stream:
        stream.seek(-min(_END_BYTES, path.stat().st_size), io.SEEK_END)
        size = int.from_bytes(stream.read(_END_BYTES)[:4], "little")
    if size > MAX_FOOTER_BYTES:
        raise CorpusError(
            f"{path} describes its content in {size} bytes; the limit is {MAX_FOOTER_BYTES} bytes. "
            "Write larger row groups."
        )


def _values(path: Path, batch: "pa.RecordBatch", name: str, kind: ColumnKind) -> np.ndarray:
    column: Any = batch.column(name)
    if kind == "names":
        return _names(path, column, name)
    if kind != "numbers" and column.null_count:
        raise CorpusError(f"{path}: column {name!r} is empty (null) in {column.null_count} rows.")
    if kind == "numbers":
        return as_float64(column.to_numpy(zero_copy_only=False))
    if kind == "text":
        return _words(path, column if hasattr(column, "dictionary") else column.dictionary_encode(), name)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _words(path: Path, coded: Any, name: str) -> np.ndarray:
    """Return the values of a column with a dictionary as text; null is empty.

    pyarrow does not check the indices of a damaged file.
    """
    values = ["" if value is None else str(value) for value in coded.dictionary.to_pylist()]
    wide = coded.indices.cast("int64")
    known = wide.drop_null().to_numpy(zero_copy_only=False)
    if len(known) and not (known.min() >= 0 and known.max() < len(values)):
        raise CorpusError(f"{path} is damaged: column {name!r} names a value that its dictionary lacks.")
    indices = wide.fill_null(len(values)).to_numpy(zero_copy_only=False)
    found: np.ndarray = np.array([*values, ""], dtype=object)[indices]
    return found


def _names(path: Path, column: Any, name: str) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_dictionary(column.type):
        return _words(path, column, name)
    if types.is_floating(column.type):
        numbers = as_float64(column.to_numpy(zero_copy_only=False))
        known = numbers[~np.isnan(numbers)]
        if not ((known == np.round(known)) & (np.abs(known) < 2**53)).all():
            raise CorpusError(f"{path}: column {name!r} must hold text or whole numbers; it holds fractions.")
        return np.array(["" if number != number else str(int(number)) for number in numbers], dtype=object)
    texts: np.ndarray = column.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False)
    return texts


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
