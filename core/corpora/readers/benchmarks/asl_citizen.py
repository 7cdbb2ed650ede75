"""Reader of ASL Citizen: `splits/train.csv`, `val.csv` and `test.csv` beside pose files.

A table has the columns Participant ID, Video file, Gloss and ASL-LEX Code. A pose file has the name of its
video: `123-APPLE.npy` for `123-APPLE.mp4`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from core.corpora.readers.benchmarks.clips import open_listed
from core.corpora.readers.benchmarks.csv_table import filled, has_columns, read_table
from core.corpora.readers.benchmarks.listed_clips import ListedClip, check_one_folder
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "asl_citizen"

_SIGNER, _VIDEO, _GLOSS = "participant id", "video file", "gloss"
_TABLES = ("train.csv", "val.csv", "test.csv")


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such tables."""
    return any(map(_is_table, files))


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the listed clips; clips without a pose file are skipped and counted.

    Raises:
        CorpusError: tables in several folders, an invalid table, or no pose file at all.
    """
    tables = [path for path in files if _is_table(path)]
    check_one_folder(tables)
    clips = [clip for path in tables for clip in _clips(path)]
    return open_listed(FORMAT, clips, folder, files, options, report)


def _is_table(path: Path) -> bool:
    return path.name in _TABLES and has_columns(path, (_SIGNER, _VIDEO, _GLOSS))


def _clips(path: Path) -> Iterator[ListedClip]:
    for line, row in read_table(path, (_SIGNER, _VIDEO, _GLOSS)):
        video = PurePosixPath(filled(path, line, row, _VIDEO))
        name = str(video.with_suffix(""))
        # The baseline's extraction joins the folders of a name to the name.
        places = (name, name.replace("/", ""))
        yield ListedClip(
            name, places, SPLIT_NAMES[path.stem], label=row[_GLOSS] or None, signer=row[_SIGNER] or None
        )
