"""Which class a list's number means: lists count from 0 or from 1, and files of classes' names do, too."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from core.corpora.source import ReadReport
from core.errors import CorpusError

_NUMBERED = re.compile(r"(\d{1,9})[\s,]+(.+)")

Line = tuple[str, int | None]
"""A clip's place in a list, and its class number, None where the line has none."""


@dataclass(frozen=True)
class ClassNames:
    """Names of classes by their numbers; `are_stated` where the file writes the numbers itself."""

    names: Mapping[int, str]
    are_stated: bool

    @classmethod
    def of(cls, lines: Sequence[str]) -> "ClassNames":
        """The names of `<number> <name>` lines, or where one line is none, of names alone, from 0."""
        found = [_NUMBERED.fullmatch(line) for line in lines]
        numbered = {int(match[1]): match[2].strip() for match in found if match}
        return cls(numbered, True) if all(found) else cls(dict(enumerate(lines)), False)


def first_number(lines: Sequence[Line], classes: ClassNames, report: ReadReport) -> int:
    """What the lists call the first of the named classes: 0, 1, or its number in the names' file.

    Where several fit, folders that are called as classes decide, else the stated numbers; the report says so.

    Raises:
        CorpusError: several fit, and nothing decides.
    """
    fitting = _fitting({number for _, number in lines if number is not None}, classes)
    if len(fitting) == 1:
        return fitting[0]
    if (first := _as_folders_tell(lines, classes, fitting)) is not None:
        report.note(f"Class numbers of the lists begin with {first}, as the folders of their clips tell.")
        return first
    if not classes.are_stated:
        raise CorpusError(
            f"Nothing tells whether the lists' class numbers count from 0 or from 1: neither 0 nor "
            f"{len(classes.names)} occurs, and the {len(classes.names)} classes' names have no numbers. Put "
            "its number before each name in classInd.txt."
        )
    report.note(
        "Class numbers of the lists were taken for those before the classes' names: neither the first nor "
        "the last class has a clip that would tell."
    )
    return min(classes.names)


def class_of(number: int, first: int, classes: ClassNames) -> str | None:
    """The name of the class that the lists call `number`, if it has one."""
    return classes.names.get(number - first + min(classes.names, default=0))


def _fitting(numbers: set[int], classes: ClassNames) -> list[int]:
    """What the lists may call the first class, so that no number is beyond the names; one where none fits."""
    if not numbers or 0 in numbers:
        return [0]
    lowest, highest = min(classes.names, default=1), max(classes.names, default=0)
    choices = {0, 1, lowest} if classes.are_stated else {0, 1}
    fitting = [
        first
        for first in sorted(choices)
        if first <= min(numbers) and max(numbers) - first <= highest - lowest
    ]
    return fitting or [min(lowest, 1) if classes.are_stated else 1]


def _as_folders_tell(lines: Sequence[Line], classes: ClassNames, choices: Sequence[int]) -> int | None:
    """The choice by which most clips lie in folders called as their classes; None where none is better."""
    agreeing = {
        first: sum(
            _plain(PurePath(place).parent.name) == _plain(class_of(number, first, classes) or "")
            for place, number in lines
            if number is not None
        )
        for first in choices
    }
    best = max(agreeing.values())
    firsts = [first for first, count in agreeing.items() if count == best]
    return firsts[0] if len(firsts) == 1 else None


def _plain(name: str) -> str:
    """A class's name without what folders' names change."""
    return re.sub(r"[\W_]+", " ", name.casefold())
