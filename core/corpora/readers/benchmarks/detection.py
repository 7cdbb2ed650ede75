"""Detect a benchmark's folder by its characteristic files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from core.corpora.readers.benchmarks import (
    dsta_slr,
    msasl,
    nla_slr,
    split_lists,
    uni_sign,
    wlasl,
)
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.source import ReadReport
from core.errors import CorpusError

FORMATS = (
    split_lists.FORMAT,
    wlasl.FORMAT,
    msasl.FORMAT,
    nla_slr.FORMAT,
    dsta_slr.FORMAT,
    uni_sign.FORMAT,
)

OpenFolder = Callable[[Path, Sequence[Path], ReadOptions, ReadReport], OpenedSource]

_READERS = (split_lists, nla_slr, dsta_slr, wlasl, msasl, uni_sign)


def benchmark_reader(folder: Path, files: Sequence[Path]) -> OpenFolder | None:
    """Return the function that opens a benchmark's folder; None for other folders.

    Raises:
        CorpusError: the folder belongs to several benchmarks.
    """
    if wlasl.is_layout(files) and msasl.is_layout(files):
        raise CorpusError(
            f"{folder} has the annotations of both WLASL and MS-ASL. Import each benchmark separately."
        )
    return next((reader.open_folder for reader in _READERS if reader.is_layout(files)), None)
