"""Follow one person through the frames of a clip in which several were detected."""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float64

from core.corpora.source import ReadReport

_MIN_CONFIDENCE = 0.3
_FAR = 0.5
"""In sizes of the person: no person moves so far from one frame to the next."""
_LONGEST_ABSENCE = 25
"""After as many frames without the person another one is followed."""

Person = Float64[np.ndarray, "V 3"]
"""Points of x, y and confidence."""


class OnePerson:
    """Chooses the same person in each frame of one clip, in order.

    It follows the tracking ids of the source, the first one before those that took its place, else the person
    nearest to where the followed one was last. If all people of a frame are far from there, none of them is
    read, unless the clip never had several people, or the person is away for long. At the start the one of
    the highest total confidence is taken.
    """

    def __init__(self, report: ReadReport) -> None:
        self._report = report
        self._last: Person | None = None
        self._tracks: list[Hashable] = []
        self._has_several = False
        self._num_absent = 0

    def choose(self, people: Sequence[Person], tracks: Sequence[Hashable] = ()) -> Person | None:
        """The person of the next frame; None if it has none. `tracks` are their ids, None where unknown."""
        if len(people) > 1:
            self._has_several = True
            self._report.frames_of_several_people += 1
            self._report.note("In frames with several people, one of them was followed from frame to frame.")
        index = self._index(people, tracks)
        if index is None:
            self._num_absent += 1
            return None
        self._last, self._num_absent = people[index], 0
        if tracks and tracks[index] is not None and tracks[index] not in self._tracks:
            self._tracks.append(tracks[index])
        return people[index]

    def _index(self, people: Sequence[Person], tracks: Sequence[Hashable]) -> int | None:
        if not len(people):
            return None
        if (track := next((each for each in self._tracks if each in tracks), None)) is not None:
            return tracks.index(track)
        if self._last is None or not self._has_several:
            return _surest(people)
        distances = [_distance(self._last, person) for person in people]
        nearest = int(np.argmin(distances))
        size = _size(self._last)
        if size and distances[nearest] > _FAR * size:
            return None if self._num_absent < _LONGEST_ABSENCE else _surest(people)
        return nearest if np.isfinite(distances[nearest]) else _surest(people)


def _surest(people: Sequence[Person]) -> int:
    if len(people) == 1:
        return 0
    return int(np.argmax([np.nansum(np.clip(person[:, 2], 0, None)) for person in people]))


def _known(person: Person) -> np.ndarray:
    return (person[:, 2] > _MIN_CONFIDENCE) & np.isfinite(person).all(axis=1)


def _size(person: Person) -> float:
    """The larger of width and height of the known points; 0 if there are none."""
    known = person[_known(person), :2]
    return float(np.ptp(known, axis=0).max()) if len(known) else 0.0


def _distance(one: Person, other: Person) -> float:
    """Median distance of the points that both have; infinite if they have none in common."""
    known = _known(one) & _known(other)
    if not known.any():
        return float("inf")
    return float(np.median(np.hypot(*(one[known, :2] - other[known, :2]).T)))
