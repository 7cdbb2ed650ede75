"""Reader of GloSL's corpora: `annotations.csv` beside `poses/<id>.pose` or `poses/<number>/<id>.pose`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from core.corpora.readers.benchmarks.clips import open_listed
from core.corpora.readers.benchmarks.csv_table import filled, has_columns, read_table
from core.corpora.readers.benchmarks.listed_clips import ListedClip, check_one_folder, check_splits
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.source import ReadReport
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "glosl"

_TABLE, _POSES = "annotations.csv", "poses"
_ID, _SPLIT = "id", "split"


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such a table beside a folder `poses`."""
    return any(_is_table(path, files) for path in files)


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the listed clips; clips without a pose file are skipped and counted.

    Raises:
        CorpusError: tables in several folders, an invalid table, or no pose file at all.
    """
    tables = [path for path in files if _is_table(path, files)]
    check_one_folder(tables)
    (table,) = tables
    poses = [path for path in files if path.is_relative_to(table.parent / _POSES)]
    clips = list(_clips(table))
    check_splits(clips, options.benchmark)
    return open_listed(FORMAT, clips, folder, poses, options, report)


def _is_table(path: Path, files: Sequence[Path]) -> bool:
    return (
        path.name == _TABLE
        and has_columns(path, (_ID, _SPLIT))
        and any(other.is_relative_to(path.parent / _POSES) for other in files)
    )


def _clips(path: Path) -> Iterator[ListedClip]:
    for line, row in read_table(path, (_ID, _SPLIT)):
        name = filled(path, line, row, _ID)
        yield ListedClip(
            name,
            (row.get("pose_file") or f"{_POSES}/{name}.pose",),
            split=row[_SPLIT] or None,
            label=row.get("gloss") or row.get("text") or None,
            signer=row.get("signer") or None,
        )
