"""Which frame size a clip has: that of the options, or else the one that its file states."""

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.pixels import SIZE_OPTIONS
from core.corpora.readers.raw_clip import ReadOptions
from core.corpora.source import ReadReport

OTHER_SIZE = FindingKind(
    "other-frame-size",
    f"The files of {{clips}} state another frame size than {SIZE_OPTIONS} (for example {{example}}). The "
    "size of the options was used. Omit the options if the files are right.",
)


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
