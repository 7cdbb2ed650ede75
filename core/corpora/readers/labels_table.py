"""Read labels, signers, sessions and splits of clips from a table: `labels.csv`, Kaggle's or a named one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.table_options import TableOptions
from core.corpora.readers.untrusted.csv_rows import check_one_line, csv_rows
from core.corpora.readers.untrusted.naming import listed
from core.corpora.readers.untrusted.text_form import SEPARATORS, TextForm, header_cells, text_form
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.specs.counts import counted
from core.specs.plain_names import plain_name
from core.specs.source_formats import ColumnRole

OUR_TABLE, KAGGLES_TABLE = "labels.csv", "train.csv"
TABLE_SUFFIXES = (".csv", ".tsv")
MAX_TABLE_BYTES = 256 * 2**20

_COLUMNS = {
    "name": ("name", "file", "path"),
    "label": ("label", "sign", "gloss"),
    "signer": ("signer", "participant_id"),
    "session": ("session",),
    "split": ("split",),
}
"""Accepted column names."""
ROLES: dict[ColumnRole, str] = {
    "clip": "name",
    "gloss": "label",
    "signer": "signer",
    "session": "session",
    "split": "split",
}
"""What a column may be stated to hold, and the metadata that it becomes."""
_POSE_SUFFIXES = {".csv", ".npy", ".npz", ".parquet", ".pose", ".json", ".pkl", ".pickle"}
_VIDEO_SUFFIXES = {".mp4", ".mov", ".avi", ".mkv", ".webm"}
_SUFFIXES = _POSE_SUFFIXES | _VIDEO_SUFFIXES
"""Endings that a clip's name may have in the table: those of pose files and of videos."""
_NUM_NAMED = 5


@dataclass(frozen=True)
class LabelsTable:
    """The table's rows by clip name."""

    path: Path
    rows: dict[str, ClipFiles]
    notes: tuple[str, ...] = ()

    def applied(self, clips: Sequence[ClipFiles], report: ReadReport) -> list[ClipFiles]:
        """Add the table's metadata to the clips; clips without a row and rows without a clip are reported.

        Raises:
            CorpusError: two clips match one row, or no clip matches any row.
        """
        for note in self.notes:
            report.note(note)
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
            report.note(f"{counted(len(without), 'clip')} not in {self.path.name}: {_some(without)}.")
        if missing:
            report.note(
                f"{counted(len(missing), 'name')} in {self.path.name} without a clip: {_some(missing)}."
            )
        unlabelled = [key for key in used if self.rows[key].label is None]
        if unlabelled:
            report.note(
                f"{counted(len(unlabelled), 'clip')} without a gloss in {self.path.name}: "
                f"{_some(unlabelled)}."
            )
        return labelled

    def _labelled(self, clip: ClipFiles, used: dict[str, str]) -> ClipFiles:
        key = next((key for key in _keys(clip.name) if key in self.rows), None)
        if key is None:
            return replace(clip, label=None)
        if used.setdefault(key, clip.name) != clip.name:
            raise CorpusError(
                f"{self.path}: {key!r} is ambiguous: it matches {used[key]!r} and {clip.name!r}. Write the "
                "whole path."
            )
        row = self.rows[key]
        split = row.split or clip.split
        return replace(clip, label=row.label, signer=row.signer, session=row.session, split=split)


def _keys(name: str) -> tuple[str, ...]:
    """Return what a table may call a clip: its path or its name, as it is, or without a video's ending."""
    whole = _clip_name(name)
    return whole, PurePosixPath(whole).name


def find_table(folder: Path, files: Sequence[Path], wanted: TableOptions) -> LabelsTable | None:
    """Find and read the table among a folder's files, if there is one; clip names are relative to its folder.

    Raises:
        CorpusError: the wanted table is not there, there are several, or the table is damaged, has no names,
            or has two different rows for a clip.
    """
    tables = _tables(folder, files, wanted.labels)
    if not tables:
        if wanted.columns:
            raise CorpusError(
                f"{folder} has no {OUR_TABLE}, of which columns are stated. Set labels (--labels)."
            )
        return None
    if len(tables) > 1:
        raise CorpusError(
            f"{tables[0]} and {tables[1]} are both tables of labels. Keep one of them, or name one: --labels."
        )
    (path,) = tables
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise CorpusError(f"{path} has {path.stat().st_size} bytes; the limit is {MAX_TABLE_BYTES} bytes.")
    form = text_form(path)
    rows: dict[str, ClipFiles] = {}
    notes = [form.note] if form.note else []
    for row in _rows(path, form, wanted.columns, notes):
        if rows.setdefault(row.name, row) != row:
            raise CorpusError(f"{path} has two different rows for {row.name!r}. Keep one of them.")
    return LabelsTable(path, rows, tuple(notes))


def _tables(folder: Path, files: Sequence[Path], named: str | None) -> list[Path]:
    """Return the tables of labels: the one of this path or name, else those of the usual names."""
    if named is None:
        return [path for path in files if path.name == OUR_TABLE or _is_kaggles(path)]
    found = [path for path in files if path == folder / named] or [p for p in files if p.name == named]
    if not found:
        others = [str(path.relative_to(folder)) for path in files if path.suffix.lower() in TABLE_SUFFIXES]
        raise CorpusError(
            f"labels (--labels) is {named!r}, but {folder} has no such file. Its tables: {listed(others)}."
        )
    return found


def _rows(
    path: Path, form: TextForm, columns: Mapping[ColumnRole, str], notes: list[str]
) -> Iterator[ClipFiles]:
    rows = csv_rows(path, form)
    _, first = next(rows, (0, []))
    header = [plain_name(name) for name in first]
    folded = list(map(str.lower, header))
    names = _stated_columns(path, header, columns) if columns else _column_names(path, header)
    places = {fact: folded.index(name) for fact, name in names.items()}
    unused = [
        name for name, place in zip(header, folded, strict=True) if name and place not in names.values()
    ]
    if unused and path.name != KAGGLES_TABLE:
        notes.append(f"Columns of {path.name} that were not used: {listed(unused)}.")
    for line_number, row in rows:
        _check_cells(path, line_number, row, header, form)
        facts = {
            fact: row[place].strip() or None if place < len(row) else None for fact, place in places.items()
        }
        name = facts.pop("name")
        if name is None:
            raise CorpusError(f"{path}, line {line_number}: the name is empty.")
        check_one_line(path, line_number, (name, *facts.values()))
        yield ClipFiles(_clip_name(name), (), **facts)


def _check_cells(path: Path, line_number: int, row: list[str], header: list[str], form: TextForm) -> None:
    if any(cell.strip() for cell in row[len(header) :]):
        raise CorpusError(
            f"{path}, line {line_number}: it has {len(row)} cells, but there are {len(header)} columns, "
            f"separated by {SEPARATORS[form.separator]}. Put quotes around a cell that contains "
            f"{form.separator!r}."
        )


def _stated_columns(path: Path, header: list[str], columns: Mapping[ColumnRole, str]) -> dict[str, str]:
    found = {ROLES[role]: plain_name(column).lower() for role, column in columns.items()}
    folded = list(map(str.lower, header))
    missing = [column for column in columns.values() if plain_name(column).lower() not in folded]
    if missing:
        raise CorpusError(
            f"{path} has no column {missing[0]!r}, which columns (--columns) states; its columns are "
            f"{listed(map(repr, header))}."
        )
    doubled = next((column for column in found.values() if folded.count(column) > 1), None)
    if doubled:
        same = [name for name in header if name.lower() == doubled]
        raise CorpusError(f"{path} has the columns {' and '.join(map(repr, same))}. Keep one.")
    return found


def _is_kaggles(path: Path) -> bool:
    """Whether a file is the list of sequences of asl-signs; other data sets also have a `train.csv`."""
    if path.name != KAGGLES_TABLE:
        return False
    return {"path", "sign"} <= set(header_cells(path))


def _column_names(path: Path, header: Sequence[str]) -> dict[str, str]:
    """Return the table's column for each kind of metadata, in small letters."""
    found = {fact: [name for name in header if name.lower() in names] for fact, names in _COLUMNS.items()}
    if not found["name"]:
        raise CorpusError(
            f"{path} must have a column 'name'; its columns are {listed(map(repr, header))}. Or state its "
            "columns: --columns clip=...,gloss=..."
        )
    doubled = next((names for names in found.values() if len(names) > 1), None)
    if doubled:
        raise CorpusError(
            f"{path} has the columns {' and '.join(map(repr, doubled))}, which mean the same. Keep one."
        )
    return {fact: names[0].lower() for fact, names in found.items() if names}


def _clip_name(text: str) -> str:
    """Return the name without its endings of pose files and videos: `v0.mp4.pose` is `v0`."""
    path = PurePosixPath(plain_name(text.replace("\\", "/")))
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return str(path)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NUM_NAMED
    return ", ".join(names[:_NUM_NAMED]) + (f" and {more} more" if more > 0 else "")
