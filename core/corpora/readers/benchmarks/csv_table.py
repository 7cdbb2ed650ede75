"""Read a benchmark's table in CSV by the names of its columns."""

from collections.abc import Collection, Iterator
from pathlib import Path

from core.corpora.readers.labels_table import MAX_TABLE_BYTES
from core.corpora.readers.untrusted.csv_rows import check_one_line, csv_rows
from core.corpora.readers.untrusted.naming import listed
from core.corpora.readers.untrusted.npz import as_corpus_error
from core.corpora.readers.untrusted.text_form import header_cells
from core.errors import CorpusError

Row = dict[str, str]
"""The cells of a row by the name of their column, in lower case; spaces around both are stripped."""


def has_columns(path: Path, columns: Collection[str]) -> bool:
    """Whether a file begins with a header that has these columns, given in lower case."""
    return set(columns) <= {_column(cell) for cell in header_cells(path)}


def read_table(path: Path, columns: Collection[str]) -> Iterator[tuple[int, Row]]:
    """Yield each row below the header with its line number; a cell that a row lacks is empty.

    Raises:
        CorpusError: damaged, too large, without one of the `columns`, or with a column twice.
    """
    rows = checked_rows(path)
    header = [_column(cell) for cell in next(rows, (0, []))[1]]
    missing = [name for name in columns if name not in header]
    doubled = [name for name in columns if header.count(name) > 1]
    if missing or doubled:
        raise CorpusError(
            f"{path} must have one column {(missing or doubled)[0]!r}; its columns are "
            f"{listed(map(repr, header))}."
        )
    for line, cells in rows:
        padded = [*cells, *[""] * (len(header) - len(cells))]
        yield line, {name: cell.strip() for name, cell in zip(header, padded, strict=False)}


def checked_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield all rows with their line numbers, for a table without a header.

    Raises:
        CorpusError: damaged, or too large.
    """
    with as_corpus_error(path):
        num_bytes = path.stat().st_size
    if num_bytes > MAX_TABLE_BYTES:
        raise CorpusError(f"{path} has {num_bytes} bytes; the limit is {MAX_TABLE_BYTES} bytes.")
    yield from csv_rows(path)


def filled(path: Path, line: int, row: Row, column: str) -> str:
    """Return a cell that must not be empty.

    Raises:
        CorpusError: names the file, the line and the column.
    """
    if not row[column]:
        raise CorpusError(f"{path}, line {line}: the column {column!r} is empty.")
    check_one_line(path, line, (row[column],))
    return row[column]


def _column(cell: str) -> str:
    return cell.strip().lower()
