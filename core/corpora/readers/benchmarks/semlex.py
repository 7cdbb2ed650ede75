"""Reader of the Sem-Lex benchmark: `semlex_metadata.csv` beside pose files called as the videos."""

from collections.abc import Sequence
from pathlib import Path

from core.corpora.readers.benchmarks.clips import open_listed
from core.corpora.readers.benchmarks.csv_table import filled, has_columns, read_table
from core.corpora.readers.benchmarks.listed_clips import ListedClip, check_one_folder
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.source import ReadReport
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "semlex"

_VIDEO, _LABEL, _SIGNER, _SPLIT = "video_id", "label", "signer_id", "split"
_COLUMNS = (_VIDEO, _LABEL, _SIGNER, _SPLIT)
_TABLE = "semlex_metadata.csv"


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such a table."""
    return any(map(_is_table, files))


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the listed clips; clips without a pose file are skipped and counted.

    Raises:
        CorpusError: several tables, an invalid table, or no pose file at all.
    """
    tables = [path for path in files if _is_table(path)]
    check_one_folder(tables)
    return open_listed(FORMAT, _clips(tables[0], report), folder, files, options, report)


def _is_table(path: Path) -> bool:
    return path.name == _TABLE and has_columns(path, _COLUMNS)


def _clips(path: Path, report: ReadReport) -> list[ListedClip]:
    """Return a clip of each video's first row; the table has some videos several times."""
    clips: dict[str, ListedClip] = {}
    num_rows = 0
    for line, row in read_table(path, _COLUMNS):
        num_rows += 1
        video = filled(path, line, row, _VIDEO)
        clip = ListedClip(
            video, (video,), row[_SPLIT] or None, label=row[_LABEL] or None, signer=row[_SIGNER] or None
        )
        clips.setdefault(video, clip)
    if repeats := num_rows - len(clips):
        report.note(f"{repeats} rows of {_TABLE} repeat a video; its first row was read.")
    return list(clips.values())
