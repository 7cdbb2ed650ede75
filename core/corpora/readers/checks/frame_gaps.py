"""Count missing frames from gaps in a clip's frame numbers."""

from collections.abc import Iterable
from itertools import pairwise

from core.corpora.source import ReadReport

_MOST_IN_A_GAP = 1_000_000
"""Maximum frames counted for one gap; a larger gap is an error in the numbers."""


def count_gaps(numbers: Iterable[int], report: ReadReport) -> None:
    """Add the missing frames to the report; the smallest distance of two frame numbers is one frame."""
    distances = [after - before for before, after in pairwise(sorted(set(numbers)))]
    least = min(distances, default=1)
    missing = sum(min((distance + least // 2) // least - 1, _MOST_IN_A_GAP) for distance in distances)
    if missing:
        report.frames_missing += missing
        report.note(
            "Frame numbers have gaps, which were closed: a clip with gaps is shorter than its video, and its "
            "motion jumps at the gap."
        )
