"""Which frame size a clip has: that of the options, or else the one that its file states."""

from pathlib import Path
from typing import TypeGuard

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.pixels import SIZE_OPTIONS
from core.corpora.readers.raw_clip import ReadOptions
from core.corpora.readers.untrusted.naming import shortened
from core.corpora.source import ReadReport
from core.errors import CorpusError

OTHER_SIZE = FindingKind(
    "other-frame-size",
    f"The files of {{clips}} state another frame size than {SIZE_OPTIONS} (for example {{example}}). The "
    "size of the options was used. Omit the options if the files are right.",
)


_SMALLEST, _LARGEST = 2, 10**6


def checked_size(width: object, height: object, path: Path) -> tuple[int, int]:
    """Return a stated (width, height) in pixels; numbers such as 640.0 are whole.

    Raises:
        CorpusError: it is not a valid size.
    """
    sides = [round(side) for side in (width, height) if _is_side(side)]
    if len(sides) < 2:
        raise CorpusError(
            f"{path}: 'width' and 'height' must be between {_SMALLEST} and {_LARGEST} pixels; got "
            f"{shortened(repr(width))} and {shortened(repr(height))}."
        )
    return sides[0], sides[1]


def _is_side(side: object) -> TypeGuard[float]:
    return isinstance(side, int | float) and not isinstance(side, bool) and _SMALLEST <= side <= _LARGEST


def chosen_size(
    name: str, stated: tuple[int, int] | None, options: ReadOptions, report: ReadReport
) -> tuple[int, int] | None:
    """Return the (width, height) of the options, else the `stated` one; None if both are unknown.

    Benchmarks' own sizes come first, unless the options override them. A difference is a finding.
    """
    wanted = options.image_size
    if stated is None or wanted is None or not options.size_wins:
        return stated or wanted
    if stated != wanted:
        report.find(OTHER_SIZE, f"{name}: {stated[0]} x {stated[1]}")
    return wanted
