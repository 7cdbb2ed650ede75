"""Put the frames of a clip in order, by the numbers in their files' names or by those that they state.

Frames are never put in an order that is a guess: numbers that are missing, unreadable or equal are refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from core.corpora.readers.checks.frame_gaps import count_gaps
from core.corpora.readers.named_fields import field_named
from core.corpora.readers.untrusted.naming import shortened
from core.corpora.source import ReadReport
from core.errors import CorpusError

FRAME_NAMES = ("frame", "frame_id", "frame_number", "frame_index", "frame_idx", "frame_num", "frame_no")
TIME_NAMES = ("timestamp", "timestamp_ms", "timestamp_us", "time", "time_ms")
"""Names of fields and columns that number a clip's frames, without regard to case."""

_WHOLE = re.compile(r"\d+")
_DECIMAL = re.compile(r"\d+(?:\.\d+)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_LONGEST = 40
_LARGEST = 2**53

Numbers = tuple[Fraction, ...]


def files_in_order(files: Sequence[Path], report: ReadReport) -> list[Path]:
    """Sort a clip's frames by the number that varies in their names; gaps are closed and counted.

    A number may be a decimal one, such as a time in seconds.

    Raises:
        CorpusError: a name has no number, several numbers vary and order the frames differently, or two
            frames have one number.
    """
    if len(files) < 2:
        return list(files) if not files or _numbers(files[0], _WHOLE) else _no_number(files[0])
    readings = [numbers for pattern in (_WHOLE, _DECIMAL) for numbers in _readings(files, pattern)]
    distinct = [numbers for numbers in readings if len(set(numbers)) == len(numbers)]
    orders = {tuple(sorted(range(len(files)), key=numbers.__getitem__)) for numbers in distinct}
    if len(orders) != 1:
        alike = None if orders else _alike(files, readings)
        first, second = alike or (files[0], files[-1])
        why = "have the same number" if alike else "have names whose numbers do not tell the order"
        raise CorpusError(
            f"The frames {first.name!r} and {second.name!r} in {first.parent} {why}. Name frames by one "
            "number that counts them, such as 0001, and keep one file per frame."
        )
    _count(distinct[0], report)
    return [files[index] for index in orders.pop()]


def stated_field(names: Iterable[str]) -> str | None:
    """Return the field or column that numbers frames: a frame number, or else a time."""
    there = list(names)
    return field_named(there, FRAME_NAMES) or field_named(there, TIME_NAMES)


def is_time(name: str) -> bool:
    """Whether a field that numbers frames holds times, of which neighbours may be equal."""
    return field_named([name], TIME_NAMES) is not None


def objects_in_order(frames: Sequence[object], path: Path, report: ReadReport) -> list[object]:
    """Sort the frames of a JSON file by the number or time that they state; as they are if none does.

    Raises:
        CorpusError: as `order_of`.
    """
    field = next((name for f in frames if isinstance(f, Mapping) and (name := stated_field(f))), None)
    if field is None:
        return list(frames)
    values = [frame.get(field) if isinstance(frame, Mapping) else None for frame in frames]
    order = order_of(values, field, path, report)
    return [frames[index] for index in order]


def order_of(
    values: Sequence[object], name: str, path: Path, report: ReadReport, what: str = ""
) -> list[int]:
    """Return the order of frames that state these numbers in a field or column; gaps are counted.

    Times may be equal, and a number may be missing, where the others increase in the order of the file.
    `what` names the clip in messages.

    Raises:
        CorpusError: a value is no number, one is missing, or two frames have one number.
    """
    numbers = [_number(value) for value in values]
    wrong = next(
        (v for v, number in zip(values, numbers, strict=True) if number is None and v is not None), None
    )
    known = [number for number in numbers if number is not None]
    are_times, is_whole = is_time(name), len(known) == len(numbers)
    if wrong is None and (are_times or not is_whole) and _increase(known, or_equal=are_times):
        return list(range(len(numbers)))
    if not is_whole:
        got = "nothing" if wrong is None else shortened(repr(wrong))
        raise CorpusError(
            f"{path}: {name!r} must be a number in each frame{what}; got {got}. Number all frames, or remove "
            f"{name!r} if they are in order."
        )
    if not are_times:
        _count(known, report)
    if len(set(known)) < len(known):
        raise CorpusError(
            f"{path} has two frames with the same {name!r}{what}. If they are several clips, write a "
            "file per clip, or in a table add a column 'clip'."
        )
    return sorted(range(len(known)), key=known.__getitem__)


def _readings(files: Sequence[Path], pattern: re.Pattern[str]) -> list[Numbers]:
    """Return the numbers of the frames at each place of a name where they vary."""
    stems = [_numbers(path, pattern) for path in files]
    missing = next((path for path, numbers in zip(files, stems, strict=True) if not numbers), None)
    if missing is not None:
        _no_number(missing)
    if len({len(numbers) for numbers in stems}) > 1:
        return []
    return [column for column in zip(*stems, strict=True) if len(set(column)) > 1]


def _numbers(path: Path, pattern: re.Pattern[str]) -> Numbers:
    return tuple(Fraction(text) for text in pattern.findall(path.stem))


def _no_number(path: Path) -> list[Path]:
    raise CorpusError(f"{path} has no frame number in its name.")


def _alike(files: Sequence[Path], readings: Sequence[Numbers]) -> tuple[Path, Path] | None:
    """Return two frames with one number; of names without a number that varies, any two."""
    for numbers in readings:
        first: dict[Fraction, Path] = {}
        for path, number in zip(files, numbers, strict=True):
            if first.setdefault(number, path) != path:
                return first[number], path
    return (
        None if readings or len({len(_numbers(path, _WHOLE)) for path in files}) > 1 else (files[0], files[1])
    )


def _increase(numbers: Sequence[Fraction], *, or_equal: bool) -> bool:
    return all(before < after or (or_equal and before == after) for before, after in pairwise(numbers))


def _number(value: object) -> Fraction | None:
    if isinstance(value, str) and len(value) <= _LONGEST and _NUMBER.fullmatch(value.strip()):
        value = float(value) if not value.strip().isdecimal() else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Fraction(value) if abs(value) < _LARGEST else None  # not of infinity or NaN


def _count(numbers: Sequence[Fraction], report: ReadReport) -> None:
    """Count gaps; of decimal numbers, in millionths."""
    scale = 1 if all(number.denominator == 1 for number in numbers) else 10**6
    count_gaps((round(number * scale) for number in numbers), report)
