"""Read labels, signers, sessions and splits of clips from `labels.csv` or Kaggle's `train.csv`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.untrusted.csv_rows import csv_rows
from core.corpora.readers.untrusted.naming import listed
from core.corpora.readers.untrusted.npz import as_corpus_error
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.source_files import open_source

OUR_TABLE, KAGGLES_TABLE = "labels.csv", "train.csv"
MAX_TABLE_BYTES = 256 * 2**20

_COLUMNS = {
    "name": ("name", "file", "path"),
    "label": ("label", "sign", "gloss"),
    "signer": ("signer", "participant_id"),
    "session": ("session",),
    "split": ("split",),
}
"""Accepted column names."""
_POSE_SUFFIXES = {".npy", ".npz", ".parquet", ".pose", ".json", ".pkl", ".pickle"}
_VIDEO_SUFFIXES = {".mp4", ".mov", ".avi", ".mkv", ".webm"}
_SUFFIXES = _POSE_SUFFIXES | _VIDEO_SUFFIXES
"""Endings that a clip's name may have in the table: those of pose files and of videos."""
_NUM_NAMED = 5
_LONGEST_HEADER = 2**12


@dataclass(frozen=True)
class LabelsTable:
    """The table's rows by clip name."""

    path: Path
    rows: dict[str, ClipFiles]

    def applied(self, clips: Sequence[ClipFiles], report: ReadReport) -> list[ClipFiles]:
        """Add the table's metadata to the clips; clips without a row and rows without a clip are reported.

        Raises:
            CorpusError: two clips match one row, or no clip matches any row.
        """
        used: dict[str, str] = {}
        labelled = [self._labelled(clip, used) for clip in clips]
        if not used:
            raise CorpusError(
                f"{self.path} lists none of the clips in its folder. It lists "
                f"{_some([*self.rows]) or 'none'}; the clips are {_some([clip.name for clip in clips])}. In "
                "the table, write paths relative to its folder, or remove the table."
            )
        known = set(used.values())
        without = [clip.name for clip in clips if clip.name not in known]
        missing = [name for name in self.rows if name not in used]
        if without:
            report.note(f"{len(without)} clips are not in {self.path.name}: {_some(without)}.")
        if missing:
            report.note(f"{len(missing)} names in {self.path.name} have no clip: {_some(missing)}.")
        return labelled

    def _labelled(self, clip: ClipFiles, used: dict[str, str]) -> ClipFiles:
        inside = PurePosixPath(clip.name)
        key = next((key for key in (str(inside), inside.name) if key in self.rows), None)
        if key is None:
            return replace(clip, label=None)
        if used.setdefault(key, clip.name) != clip.name:
            raise CorpusError(
                f"{self.path}: {key!r} is ambiguous: it matches {used[key]!r} and {clip.name!r}. Write the "
                "whole path."
            )
        row = self.rows[key]
        return replace(clip, label=row.label, signer=row.signer, session=row.session, split=row.split)


def find_table(files: Sequence[Path]) -> LabelsTable | None:
    """Find and read the table among a folder's files, if there is one; clip names are relative to its folder.

    Raises:
        CorpusError: there are several tables, or the table is damaged, has no names, or has two different
            rows for a clip.
    """
    tables = [path for path in files if path.name == OUR_TABLE or _is_kaggles(path)]
    if not tables:
        return None
    if len(tables) > 1:
        raise CorpusError(f"{tables[0]} and {tables[1]} are both tables of labels. Keep one of them.")
    (path,) = tables
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise CorpusError(f"{path} has {path.stat().st_size} bytes; the limit is {MAX_TABLE_BYTES} bytes.")
    rows: dict[str, ClipFiles] = {}
    for row in _rows(path):
        if rows.setdefault(row.name, row) != row:
            raise CorpusError(f"{path} has two different rows for {row.name!r}. Keep one of them.")
    return LabelsTable(path, rows)


def _rows(path: Path) -> Iterator[ClipFiles]:
    rows = csv_rows(path)
    _, first = next(rows, (0, []))
    header = [name.strip().lower() for name in first]
    places = {fact: header.index(name) for fact, name in _column_names(path, header).items()}
    for line_number, row in rows:
        facts = {
            fact: row[place].strip() or None if place < len(row) else None for fact, place in places.items()
        }
        name = facts.pop("name")
        if name is None:
            raise CorpusError(f"{path}, line {line_number}: the name is empty.")
        yield ClipFiles(_clip_name(name), (), **facts)


def _is_kaggles(path: Path) -> bool:
    """Whether a file is the list of sequences of asl-signs; other data sets also have a `train.csv`."""
    if path.name != KAGGLES_TABLE:
        return False
    with as_corpus_error(path), open_source(path) as stream:
        header = stream.readline(_LONGEST_HEADER).decode(errors="replace").strip().split(",")
    return {"path", "sign"} <= set(header)


def _separator_hint(header: Sequence[str]) -> str:
    """Return a hint for a table whose columns are separated by something else, as spreadsheets often do."""
    others = {";": "semicolons", "\t": "tabs"}
    found = next((name for mark, name in others.items() if len(header) == 1 and mark in header[0]), None)
    return f" They seem to be separated by {found}; save the table with commas." if found else ""


def _column_names(path: Path, header: Sequence[str]) -> dict[str, str]:
    """Return the table's column for each kind of metadata."""
    found = {fact: [name for name in header if name in names] for fact, names in _COLUMNS.items()}
    if not found["name"]:
        raise CorpusError(
            f"{path} must have a column 'name'; its columns are {listed(map(repr, header))}."
            f"{_separator_hint(header)}"
        )
    doubled = next((names for names in found.values() if len(names) > 1), None)
    if doubled:
        raise CorpusError(
            f"{path} has the columns {' and '.join(map(repr, doubled))}, which mean the same. Keep one."
        )
    return {fact: names[0] for fact, names in found.items() if names}


def _clip_name(text: str) -> str:
    path = PurePosixPath(text.replace("\\", "/"))
    return str(path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NUM_NAMED
    return ", ".join(names[:_NUM_NAMED]) + (f" and {more} more" if more > 0 else "")
