"""Read a folder of several files that hold many clips each, such as `train.npz` and `test.npz`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from core.corpora.findings import FindingKind
from core.corpora.readers.raw_clip import OpenedSource, Piece, RawClip, Unreadable
from core.corpora.readers.split_folders import split_word
from core.corpora.source import ReadReport
from core.corpora.split_names import is_split_name
from core.errors import CorpusError

UNKNOWN_FILE = FindingKind(
    "gloss-named-like-split",
    "{clips} are in a file that is named like a split (for example {example}), but not all files are named "
    "train, val or test, so they are in train. Name all of them so, or put the array 'split' into them.",
    refused_above=0,
)


@dataclass(frozen=True)
class PieceOfFile:
    """A piece of one of the files; its clips are called `<file>/<clip>`."""

    piece: Piece
    file: str
    split: str | None

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips; the file's split is that of clips without one."""
        for raw in self.piece.read(report):
            name = f"{self.file}/{raw.name}"
            if isinstance(raw, Unreadable):
                yield replace(raw, name=name)
            else:
                if raw.split is None and self.split is None and split_word(PurePath(self.file).name):
                    report.find(UNKNOWN_FILE, name)
                yield replace(raw, name=name, split=raw.split or self.split)


def check_all_many(files: Sequence[Path], holds_many: Callable[[Path], bool]) -> None:
    """Reject files of one clip beside files of many clips.

    Raises:
        CorpusError: names one of each.
    """
    kinds = [holds_many(path) for path in files]
    if not all(kinds):
        one, many = files[kinds.index(False)], files[kinds.index(True)]
        raise CorpusError(
            f"{many} holds many clips, but {one.name} beside it does not. Import files of many clips and "
            "files of one clip separately."
        )


def open_all(
    folder: Path, files: Sequence[Path], opener: Callable[[Path], OpenedSource], report: ReadReport
) -> OpenedSource:
    """Open files of many clips as one source.

    If all files are called train, val, test or the like, these are the splits of clips that state none.

    Raises:
        CorpusError: a file is damaged, or two have different formats.
    """
    opened = {path: opener(path) for path in files}
    first = opened[files[0]]
    for path, source in opened.items():
        if source.format != first.format:
            raise CorpusError(
                f"{files[0]} has the format {first.format}, but {path.name} beside it {source.format}. "
                "Import each format separately."
            )
    are_splits = all(is_split_name(path.stem) for path in files)
    if are_splits:
        report.note("Files named like splits (train, val, test) were read as splits.")
    pieces = (
        PieceOfFile(piece, str(path.relative_to(folder).with_suffix("")), path.stem if are_splits else None)
        for path, source in opened.items()
        for piece in source.pieces
    )
    num_clips = sum(source.num_clips for source in opened.values())
    return replace(first, num_clips=num_clips, pieces=pieces)
