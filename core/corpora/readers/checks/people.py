"""Follow one person through the frames of a clip in which several were detected."""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float64

from core.corpora.source import ReadReport

_MIN_CONFIDENCE = 0.3

Person = Float64[np.ndarray, "V 3"]
"""Points of x, y and confidence."""


class OnePerson:
    """Chooses the same person in each frame of one clip, in order.

    It follows the tracking ids of the source, if there are any, else the person nearest to the one of the
    frame before. At the start and after a frame without a person it takes the one of the highest total
    confidence.
    """

    def __init__(self, report: ReadReport) -> None:
        self._report = report
        self._last: Person | None = None
        self._track: Hashable = None

    def choose(self, people: Sequence[Person], tracks: Sequence[Hashable] = ()) -> Person | None:
        """The person of the next frame; None if it has none. `tracks` are their ids, None where unknown."""
        if not len(people):
            self._last = None
            return None
        if len(people) > 1:
            self._report.frames_of_several_people += 1
            self._report.note("In frames with several people, one of them was followed from frame to frame.")
        index = self._index(people, tracks)
        self._last = people[index]
        self._track = tracks[index] if tracks else None
        return people[index]

    def _index(self, people: Sequence[Person], tracks: Sequence[Hashable]) -> int:
        if len(people) == 1:
            return 0
        if self._track is not None and self._track in tracks:
            return tracks.index(self._track)
        if self._last is not None:
            distances = [_distance(self._last, person) for person in people]
            if np.isfinite(distances).any():
                return int(np.argmin(distances))
        return int(np.argmax([np.nansum(np.clip(person[:, 2], 0, None)) for person in people]))


def _distance(one: Person, other: Person) -> float:
    """Median distance of the points that both have; infinite if they have none in common."""
    known = (one[:, 2] > _MIN_CONFIDENCE) & (other[:, 2] > _MIN_CONFIDENCE)
    known &= np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    if not known.any():
        return float("inf")
    return float(np.median(np.hypot(*(one[known, :2] - other[known, :2]).T)))
