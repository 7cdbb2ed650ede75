"""Check for frames that were stored as clips or as people: the axes of an array are exchanged.

A person moves little from one frame to the next, while recordings differ. So the points must change less
along the frames than along the clips. People in one frame stand beside each other, not at one place.
"""

import numpy as np
from jaxtyping import Float, Float64

from core.corpora.findings import Evidence, FindingKind
from core.corpora.readers.checks.seen import seen
from core.corpora.readers.untrusted.npz import as_float64
from core.corpora.source import ReadReport

EXCHANGED_AXES = FindingKind(
    "exchanged-axes",
    "{clips} follow each other as the frames of one recording do (for example {example}). The array probably "
    "has the frames where the clips should be. Save it as (clips, frames, points, 3).",
)
_MIN_PEOPLE = 8
_MUCH_LESS = 0.5
_OF_A_PERSON = 0.25
"""Part of a person's extent that neighbours are apart at least."""


def note_exchanged_axes(name: str, points: Float[np.ndarray, "K T V 3"], report: ReadReport) -> None:
    """Count clips that change much less from one to the next than from frame to frame; `name` is the first.

    Clips of one frame are not judged: static signs in order look like frames.
    """
    if min(points.shape[:2]) < 2:
        return
    values = as_float64(points)
    shape = " x ".join(map(str, points.shape[:2]))
    found = Evidence(EXCHANGED_AXES, 0, len(points))
    if _change(values) < _MUCH_LESS * _change(values.swapaxes(0, 1)):
        found = Evidence(EXCHANGED_AXES, len(points), 0, [f"{name}: {shape} clips and frames"])
    report.find_many(found)


def are_at_one_place(people: Float64[np.ndarray, "P V 3"]) -> bool:
    """Whether many people of a frame are at one place, as one person in successive frames is."""
    if len(people) < _MIN_PEOPLE:
        return False
    known = np.where(seen(people)[..., None], people[..., :2], np.nan)
    known = known[np.isfinite(known).any(axis=(1, 2))]
    if not len(known):
        return False
    extent = float(np.median(np.nanmax(known, axis=1) - np.nanmin(known, axis=1)))
    return _change(people) < _OF_A_PERSON * extent


def _change(points: Float64[np.ndarray, "K *rest 3"]) -> float:
    """Median distance of the same point in two poses that follow each other; NaN if none is seen."""
    one, other = points[:-1], points[1:]
    both = seen(one) & seen(other)
    if not both.any():
        return float("nan")
    return float(np.median(np.hypot(*(one[both, :2] - other[both, :2]).T)))
