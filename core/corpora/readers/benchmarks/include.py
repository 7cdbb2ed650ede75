"""Reader of INCLUDE: `train_include.csv`, `val_include.csv`, `test_include.csv` beside pose files.

The lists of INCLUDE-50 end with `_include50.csv`. A pose file is called as its video:
`Animals/4. Bird/MVI_2988`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from core.corpora.readers.benchmarks.clips import open_listed
from core.corpora.readers.benchmarks.csv_table import filled, has_columns, read_table
from core.corpora.readers.benchmarks.listed_clips import ListedClip, check_one_folder
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES
from core.errors import CorpusError
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "include"

_LIST = re.compile(r"(train|val|test)_include(50)?\.csv")
_WORD, _FILE = "word", "filepath"
_SMALL = 50


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such lists."""
    return any(map(_is_list, files))


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the listed clips; clips without a pose file are skipped and counted.

    Raises:
        CorpusError: lists in several folders, an invalid list, or no pose file at all.
    """
    lists = _chosen([path for path in files if _is_list(path)], options.benchmark.classes)
    check_one_folder(lists)
    clips = [clip for path in lists for clip in _clips(path)]
    # The lists already select the classes.
    all_classes = replace(options, benchmark=replace(options.benchmark, classes=None))
    return open_listed(FORMAT, clips, folder, files, all_classes, report)


def _is_list(path: Path) -> bool:
    return _LIST.fullmatch(path.name) is not None and has_columns(path, (_WORD, _FILE))


def _chosen(lists: Sequence[Path], num_classes: int | None) -> list[Path]:
    """Return the lists of INCLUDE, or with 50 classes or no other lists those of INCLUDE-50."""
    if num_classes not in (None, _SMALL):
        raise CorpusError(f"benchmark_classes (--classes) of INCLUDE must be {_SMALL}; got {num_classes}.")
    small = [path for path in lists if path.stem.endswith(str(_SMALL))]
    large = [path for path in lists if path not in small]
    if num_classes == _SMALL and not small:
        raise CorpusError("benchmark_classes (--classes) is 50, but there is no train_include50.csv.")
    return small if num_classes == _SMALL or not large else large


def _clips(path: Path) -> Iterator[ListedClip]:
    found = _LIST.fullmatch(path.name)
    assert found is not None
    for line, row in read_table(path, (_WORD, _FILE)):
        video = str(PurePosixPath(filled(path, line, row, _FILE)).with_suffix(""))
        yield ListedClip(video, (video,), SPLIT_NAMES[found[1]], label=row[_WORD] or None)
