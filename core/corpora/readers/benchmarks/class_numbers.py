"""Map class numbers of lists to class names; both lists and name files may count from 0 or from 1."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from core.corpora.source import ReadReport
from core.errors import CorpusError

_NUMBERED = re.compile(r"(\d{1,9})[\s,]+(.+)")

Line = tuple[str, int | None]
"""A clip's path in a list, and its class number, None if the line has none."""


@dataclass(frozen=True)
class ClassNames:
    """Class names by number; `are_stated` if the file has the numbers itself."""

    names: Mapping[int, str]
    are_stated: bool

    @classmethod
    def of(cls, lines: Sequence[str]) -> "ClassNames":
        """Parse lines `<number> <name>`; if any line has another form, all are names, numbered from 0."""
        found = [_NUMBERED.fullmatch(line) for line in lines]
        numbered = {int(match[1]): match[2].strip() for match in found if match}
        return cls(numbered, True) if all(found) else cls(dict(enumerate(lines)), False)


def first_number(lines: Sequence[Line], classes: ClassNames, report: ReadReport) -> int:
    """Return the lists' number of the first named class: 0, 1, or its number in the name file.

    If several are possible, folders named like classes decide, or else the stated numbers. The report notes
    the choice.

    Raises:
        CorpusError: several are possible, and neither folders nor stated numbers decide.
    """
    fitting = _possible_first_numbers({number for _, number in lines if number is not None}, classes)
    if len(fitting) == 1:
        return fitting[0]
    if (first := _first_number_by_folders(lines, classes, fitting)) is not None:
        report.note(f"Class numbers in the lists start at {first}, according to the names of clip folders.")
        return first
    if not classes.are_stated:
        raise CorpusError(
            f"The lists' class numbers are ambiguous: they may count from 0 or from 1. Neither 0 nor "
            f"{len(classes.names)} occurs, and the {len(classes.names)} class names have no numbers. In "
            "classInd.txt, write the number before each name."
        )
    report.note(
        "Class numbers in the lists were assumed to be those before the class names. This could not be "
        "checked: the first or the last class has no clip."
    )
    return min(classes.names)


def class_of(number: int, first: int, classes: ClassNames) -> str | None:
    """Return the name of class `number` of the lists, or None."""
    return classes.names.get(number - first + min(classes.names, default=0))


def _possible_first_numbers(numbers: set[int], classes: ClassNames) -> list[int]:
    """Return first numbers for which no class number exceeds the names; a default if there is none."""
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


def _first_number_by_folders(
    lines: Sequence[Line], classes: ClassNames, choices: Sequence[int]
) -> int | None:
    """Return the choice for which most clips are in folders named like their class; None for a tie."""
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
    """Normalise case and punctuation of a class name, to compare it with folder names."""
    return re.sub(r"[\W_]+", " ", name.casefold())
