"""Reader of the STC authors' release layout: pose files, and a list of clips for each split.

The lists are `trainlist01.txt`, `testlist01.txt` and `vallist01.txt` anywhere below the folder (usually in
`Annotations/`). Each line is `<path> <class number>`. `classInd.txt` beside them has the class names.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from core.corpora.readers.benchmarks.class_numbers import ClassNames, Line, class_of, first_number
from core.corpora.readers.benchmarks.clips import open_listed, with_profile
from core.corpora.readers.benchmarks.listed_clips import (
    ListedClip,
    numbered_label,
)
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.readers.untrusted.npz import as_corpus_error
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES
from core.errors import CorpusError
from core.source_files import read_source
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "benchmark_lists"
CLASSES = "classInd.txt"

MAX_LIST_BYTES = 2**26

_LIST = re.compile(r"(train|val|valid|dev|test)list(\d*)\.txt")
_NUMBERED = re.compile(r"(.+?)[\s,]+(\d{1,9})")
_POSES = "pose"


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such lists."""
    return any(_LIST.fullmatch(path.name) for path in files)


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the listed clips; clips without a pose file are skipped and counted.

    Raises:
        CorpusError: lists in several folders, empty lists, an invalid line, or no pose file at all.
    """
    lists = _lists_of_one_place(folder, files, options.benchmark.classes, report)
    classes = _class_names(lists[0].parent / CLASSES, files)
    lines = [(path, *line) for path in lists for line in _lines(path)]
    if not lines:
        raise CorpusError(
            f"{', '.join(map(str, lists))} have no clip. Write lines of the form '<path> <class number>'."
        )
    first = first_number([line[1:] for line in lines], classes, report)
    _note_unnamed([number for _, _, number in lines if number is not None], first, classes, report)
    clips = [_listed(path, place, number, first, classes) for path, place, number in lines]
    poses = [path for path in files if _is_below_poses(path.relative_to(folder))]
    where = [path for path in poses or files if not path.name.endswith(".txt")]
    options = with_profile(options, folder, lists[0].parent, report)
    return open_listed(FORMAT, clips, folder, where, options, report)


def _lists_of_one_place(
    folder: Path, files: Sequence[Path], num_classes: int | None, report: ReadReport
) -> list[Path]:
    """Return the first list of each split; of several folders, the one whose name ends with `num_classes`."""
    lists = [path for path in files if _LIST.fullmatch(path.name)]
    places = sorted({path.parent for path in lists})
    if len(places) > 1 and num_classes is not None:
        places = [place for place in places if re.search(rf"(?<!\d){num_classes}$", place.name)] or places
    if len(places) > 1:
        names = ", ".join(str(place.relative_to(folder)) for place in places[:5])
        raise CorpusError(
            f"{folder} has lists in several folders ({names}). Set benchmark_classes (--classes) to the "
            "number at the end of the wanted folder's name, or import each benchmark's folder separately."
        )
    here = sorted(path for path in lists if path.parent == places[0])
    firsts: dict[str, Path] = {}
    for path in here:
        split = _split_of(path)
        firsts.setdefault(split, path)
    if others := [path.name for path in here if path not in firsts.values()]:
        report.note(f"Only the first list of each split was read; not read: {', '.join(others[:5])}.")
    return list(firsts.values())


def _split_of(path: Path) -> str:
    found = _LIST.fullmatch(path.name)
    assert found is not None
    return SPLIT_NAMES[found[1]]


def _is_below_poses(path: Path) -> bool:
    return any(part.lower().startswith(_POSES) for part in path.parts[:-1])


def _lines(path: Path) -> list[Line]:
    lines: list[Line] = []
    for number, line in enumerate(_text_lines(path), start=1):
        if numbered := _NUMBERED.fullmatch(line):
            lines.append((numbered[1], int(numbered[2])))
        elif "/" in line:
            lines.append((line, None))
        else:
            raise CorpusError(f"{path}, line {number}: expected '<path> <class number>'; got {line[:60]!r}.")
    return lines


def _class_names(path: Path, files: Sequence[Path]) -> ClassNames:
    """Read the class names beside the lists, or from another file of that name."""
    found = path if path in files else next((file for file in files if file.name == CLASSES), None)
    return ClassNames.of(_text_lines(found) if found else ())


def _note_unnamed(numbers: Sequence[int], first: int, classes: ClassNames, report: ReadReport) -> None:
    unnamed = sorted({number for number in numbers if class_of(number, first, classes) is None})
    if classes.names and unnamed:
        report.note(
            f"{CLASSES} has no name for {len(unnamed)} class numbers of lists (for example {unnamed[0]}). "
            "Their label is the number."
        )


def _listed(path: Path, place: str, number: int | None, first: int, classes: ClassNames) -> ListedClip:
    if number is None:
        label: str | None = PurePath(place).parent.name
        lowest = min(classes.names, default=0)
        index = next((key - lowest for key, name in classes.names.items() if name == label), None)
    else:
        index = number - first
        label = class_of(number, first, classes) or numbered_label(index)
    name = str(PurePath(place).with_suffix("")) if PurePath(place).suffix else place
    return ListedClip(name, (place,), _split_of(path), index, label)


def _text_lines(path: Path) -> list[str]:
    with as_corpus_error(path):
        if (num_bytes := path.stat().st_size) > MAX_LIST_BYTES:
            raise CorpusError(
                f"{path} has {num_bytes} bytes; the limit for a list is {MAX_LIST_BYTES} bytes."
            )
        return [line.strip() for line in read_source(path).decode("utf-8-sig").splitlines() if line.strip()]
