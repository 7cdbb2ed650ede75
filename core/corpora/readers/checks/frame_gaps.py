"""Counting the frames that are missing between a clip's others, where frames have numbers."""

from collections.abc import Iterable
from itertools import pairwise

from core.corpora.source import ReadReport

_MOST_IN_A_GAP = 1_000_000
"""A larger gap is a mistake in the numbers, whose size says nothing."""


def count_gaps(numbers: Iterable[int], report: ReadReport) -> None:
    """Add the missing ones to the report: every place that is empty at the least distance of two frames."""
    distances = [after - before for before, after in pairwise(sorted(set(numbers)))]
    least = min(distances, default=1)
    missing = sum(min((distance + least // 2) // least - 1, _MOST_IN_A_GAP) for distance in distances)
    if missing:
        report.frames_missing += missing
        report.note(
            "Numbers of frames have gaps, which were closed: a clip with gaps is shorter than its video, and "
            "jumps there."
        )
