"""Reader of AUTSL: `train_labels.csv`, `validation_labels.csv`, `test_labels.csv` beside pose files.

A line is `signer0_sample1,41`: a video and its class number. `SignList_ClassId_TR_EN.csv` names the classes.
A pose file is called as the video in colour (`signer0_sample1_color.pkl`), with or without `_color`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.corpora.readers.benchmarks.clips import open_listed
from core.corpora.readers.benchmarks.csv_table import checked_rows, filled, has_columns, read_table
from core.corpora.readers.benchmarks.listed_clips import ListedClip, check_one_folder, numbered_label
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.readers.untrusted.naming import shortened
from core.corpora.readers.untrusted.npz import as_corpus_error
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES
from core.errors import CorpusError
from core.source_files import open_source
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "autsl"

_LIST = re.compile(r"(train|validation|test)_labels\.csv")
_LINE = re.compile(rb"signer\d+_sample\d+\s*,\s*\d+\s*")
_VIDEO = re.compile(r"signer(\d{1,9})_sample\d{1,9}")
_NUMBER = re.compile(r"\d{1,9}")
_CLASS, _TURKISH = "classid", "tr"
_LONGEST_LINE = 2**8


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such lists."""
    return any(map(_is_list, files))


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the listed clips; clips without a pose file are skipped and counted.

    Raises:
        CorpusError: lists in several folders, an invalid line, or no pose file at all.
    """
    lists = [path for path in files if _is_list(path)]
    check_one_folder(lists)
    names = _class_names(files, report)
    clips = [clip for path in lists for clip in _clips(path, names)]
    report.note("AUTSL's signers were read from the names of its videos, such as signer0_sample1.")
    return open_listed(FORMAT, clips, folder, files, options, report)


def _is_list(path: Path) -> bool:
    if _LIST.fullmatch(path.name) is None:
        return False
    with as_corpus_error(path), open_source(path) as stream:
        return _LINE.fullmatch(stream.readline(_LONGEST_LINE).removeprefix(b"\xef\xbb\xbf")) is not None


def _class_names(files: Sequence[Path], report: ReadReport) -> dict[int, str]:
    """Return the signs' Turkish names, which are unique; English ones are not."""
    table = next(
        (path for path in files if path.suffix == ".csv" and has_columns(path, (_CLASS, _TURKISH))), None
    )
    if table is None:
        report.note("There is no SignList_ClassId_TR_EN.csv, so the labels are class numbers.")
        return {}
    names = {}
    for line, row in read_table(table, (_CLASS, _TURKISH)):
        names[_number(table, line, row[_CLASS])] = filled(table, line, row, _TURKISH)
    return names


def _clips(path: Path, names: Mapping[int, str]) -> Iterator[ListedClip]:
    found = _LIST.fullmatch(path.name)
    assert found is not None
    for line, cells in checked_rows(path):
        video = cells[0].strip()
        match = _VIDEO.fullmatch(video)
        if match is None or len(cells) != 2:
            raise CorpusError(
                f"{path}, line {line}: expected 'signer0_sample1,41'; got {shortened(','.join(cells))!r}."
            )
        number = _number(path, line, cells[1].strip())
        label = names.get(number) or numbered_label(number)
        yield ListedClip(video, (f"{video}_color", video), SPLIT_NAMES[found[1]], number, label, match[1])


def _number(path: Path, line: int, text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise CorpusError(f"{path}, line {line}: a class number must be a whole number; got {text[:60]!r}.")
    return int(text)
