"""Read the rows of a table with one row a frame, from CSV or Parquet, clip by clip."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from core.corpora.readers.facts_of_rows import different
from core.corpora.readers.formats.wide_columns import WideColumns
from core.corpora.readers.untrusted.clip_size import check_clips, check_frames
from core.corpora.readers.untrusted.csv_rows import csv_rows
from core.corpora.readers.untrusted.naming import shortened
from core.corpora.readers.untrusted.parquet_rows import ColumnKind, is_parquet, read_batches
from core.errors import CorpusError

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class WideBatch:
    """Some rows: the text of some columns, and the numbers of others (n, C), NaN where empty."""

    texts: dict[str, list[str]]
    numbers: Float64[np.ndarray, "n C"]


@dataclass(frozen=True)
class RowsOfClip:
    """The rows of a clip: the first two different texts of each column of text, and the numbers (T, C)."""

    name: str
    texts: dict[str, tuple[str, ...]]
    numbers: Float64[np.ndarray, "T C"]


def rows_of_clips(
    path: Path, columns: WideColumns, numbers: Sequence[str], texts: Sequence[str] = ()
) -> Iterator[RowsOfClip]:
    """Yield the clips of a table with these columns of numbers and texts; a clip's rows must be together.

    Raises:
        CorpusError: damaged, above the limits, or the rows of a clip are not together.
    """
    wanted = [name for name in (columns.clip, *texts) if name is not None]
    seen: set[str] = set()
    parts = (part for batch in _batches(path, wanted, numbers) for part in _parts(batch, columns.clip))
    for name, of_clip in groupby(parts, key=lambda part: part.name):
        if columns.clip is not None and not name:
            raise CorpusError(f"{path}: column {columns.clip!r} is empty in a row.")
        if name in seen:
            raise CorpusError(
                f"{path}: the rows of clip {shortened(name)!r} are not together. Sort the table by "
                f"{columns.clip!r}."
            )
        seen.add(name)
        check_clips(len(seen), path)
        yield _joined(path, of_clip)
    if not seen:
        raise CorpusError(f"{path} has no rows.")


def _joined(path: Path, parts: Iterator[RowsOfClip]) -> RowsOfClip:
    first = next(parts)
    numbers, num_frames, texts = [first.numbers], len(first.numbers), first.texts
    check_frames(num_frames, path)
    for part in parts:
        num_frames += len(part.numbers)
        check_frames(num_frames, path)
        numbers.append(part.numbers)
        texts = {column: different((*values, *part.texts[column])) for column, values in texts.items()}
    return RowsOfClip(first.name, texts, np.concatenate(numbers))


def _parts(batch: WideBatch, clip: str | None) -> Iterator[RowsOfClip]:
    """Divide rows where the clip changes."""
    names = batch.texts[clip] if clip is not None else [""] * len(batch.numbers)
    first = 0
    for last in range(1, len(names) + 1):
        if last == len(names) or names[last] != names[first]:
            texts = {column: different(values[first:last]) for column, values in batch.texts.items()}
            yield RowsOfClip(names[first], texts, batch.numbers[first:last])
            first = last


def _batches(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> Iterator[WideBatch]:
    return (_of_parquet if is_parquet(path) else _of_csv)(path, texts, numbers)


def _of_parquet(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> Iterator[WideBatch]:
    wanted: dict[str, ColumnKind] = dict.fromkeys(texts, "names")
    wanted |= dict.fromkeys(numbers, "numbers")
    for batch in read_batches(path, wanted):
        size = len(next(iter(batch.values()), ()))
        stacked = np.stack([batch[name] for name in numbers], axis=1) if numbers else np.empty((size, 0))
        yield WideBatch({name: [text.strip() for text in batch[name].tolist()] for name in texts}, stacked)


def _of_csv(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> Iterator[WideBatch]:
    rows = csv_rows(path)
    header = [cell.strip() for cell in next(rows, (0, []))[1]]
    of_text = [header.index(name) for name in texts]
    of_numbers = [header.index(name) for name in numbers]
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        for line, cells in some:
            if len(cells) != len(header):
                raise CorpusError(
                    f"{path}, line {line}: it has {len(cells)} cells; the header has {len(header)}."
                )
        values = [[_number(path, line, cells[at]) for at in of_numbers] for line, cells in some]
        found = {
            name: [cells[at].strip() for _, cells in some] for name, at in zip(texts, of_text, strict=True)
        }
        yield WideBatch(found, np.array(values, dtype="f8").reshape(len(some), len(numbers)))


def _number(path: Path, line: int, cell: str) -> float:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        raise CorpusError(f"{path}, line {line}: expected a number; got {shortened(cell)!r}.") from None
