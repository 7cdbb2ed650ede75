"""Read the rows of an untrusted table of text, with limits on rows, columns and the length of a row."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from core.corpora.readers.untrusted.naming import shortened
from core.corpora.readers.untrusted.npz import as_corpus_error
from core.corpora.readers.untrusted.text_form import TextForm, text_form
from core.errors import CorpusError
from core.source_files import open_source_text

MAX_ROWS = 500_000
MAX_COLUMNS = 2500
MAX_ROW_CHARACTERS = 2**17
"""Maximum length of a row, line breaks in quotes included."""


def csv_rows(path: Path, form: TextForm | None = None) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty, the header first, with the number of its last line.

    Encoding and separator are found from the content, unless `form` states them.

    Raises:
        CorpusError: damaged, in an unknown encoding, or above the limits.
    """
    form = form or text_form(path)
    with as_corpus_error(path), open_source_text(path, encoding=form.encoding, newline="") as stream:
        lines = _Lines(path, stream)
        reader = csv.reader(lines, strict=True, delimiter=form.separator)
        num_rows = last_line = 0
        try:
            for row in reader:
                lines.row_ends()
                last_line = reader.line_num
                num_rows += bool(row)
                _check_size(path, num_rows, len(row))
                if row:
                    yield last_line, row
        except UnicodeDecodeError:
            raise CorpusError(
                f"{path} is damaged: it is {form.encoding} at its beginning, but not after line {last_line}. "
                "Save it as CSV in UTF-8."
            ) from None
        except csv.Error as error:
            raise CorpusError(f"{path} is damaged after line {last_line}: {error}.") from None


def check_one_line(path: Path, line: int, cells: Iterable[str | None]) -> None:
    """Reject names with a line break: a quote that is never closed takes the following rows into a cell.

    Raises:
        CorpusError: names the line and the cell.
    """
    broken = next((cell for cell in cells if cell and ("\n" in cell or "\r" in cell)), None)
    if broken is not None:
        raise CorpusError(
            f"{path}, line {line}: a name has a line break, {shortened(broken)!r}. Close its quote, or "
            "remove the line break."
        )


class _Lines:
    """The lines of a file; rejects a row that is too long before it is split into cells."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self._path, self._stream, self._num_read = path, stream, 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_ROW_CHARACTERS + 1)
        self._num_read += len(line)
        if self._num_read > MAX_ROW_CHARACTERS:
            raise CorpusError(
                f"{self._path} has a row of more than {MAX_ROW_CHARACTERS} characters. Write shorter rows."
            )
        if not line:
            raise StopIteration
        return line

    def row_ends(self) -> None:
        """Count the next row from here."""
        self._num_read = 0


def _check_size(path: Path, num_rows: int, num_columns: int) -> None:
    if num_columns > MAX_COLUMNS:
        raise CorpusError(f"{path} has {num_columns} columns; the limit is {MAX_COLUMNS}. Remove some.")
    if num_rows > MAX_ROWS + 1:
        raise CorpusError(f"{path} has more than {MAX_ROWS} rows. Split the source up.")
