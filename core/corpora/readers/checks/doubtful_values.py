"""Check a clip for values that are probably wrong: points outside the frame, at (0, 0), confidences."""

import numpy as np
from jaxtyping import Float64

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.body import Body
from core.corpora.readers.checks.exchanged_size import SurePoints, note_exchanged_size
from core.corpora.readers.checks.pixels import SIZE_OPTIONS
from core.corpora.readers.checks.seen import seen
from core.corpora.readers.untrusted.npz import as_float64
from core.corpora.source import ReadReport
from core.pose.normalise import LARGEST_COORDINATE, Video
from core.pose.skeleton import TRUNK

_MIN_CONFIDENCE = 0.5
_MOST = 0.5
_MOST_NEGATIVE = 0.2
"""Largest plausible share of points left of the frame or above it. In 8,670 real recordings it is at most
0.14 of all points, and 0.11 of the trunk's; most points outside of a frame are below it."""
_SMALLEST_AREA = 0.005
"""Smallest plausible fraction of the frame covered by a clip's points; the smallest of real recordings is
0.025."""
_CHECK = f"Check the frame size in the source, or {SIZE_OPTIONS}."
OUTSIDE_FRAME = FindingKind(
    "points-outside-frame",
    f"Many points of {{clips}} lie outside their frame (for example {{example}}). {_CHECK} If coordinates "
    "count from the middle of the frame, such as from -1 to 1, convert them.",
    refused_above=0.5,
)
IN_A_CORNER = FindingKind(
    "points-in-a-corner",
    f"All points of {{clips}} lie within {100 * _SMALLEST_AREA:g} % of their frame (for example "
    f"{{example}}). {_CHECK}",
    refused_above=0.5,
)
LARGEST_SHARE = 1.5
"""Confidences above this are not in 0 to 1. Heatmap peaks overshoot 1 up to about 1.25. SimCC scores
(RTMPose, RTMW, DWPose) are unbounded; those of RTMW are mostly from 1 to 5."""
_FEW = 0.05
_ROUNDING = 0.01
UNBOUNDED = FindingKind(
    "unbounded-confidences",
    "Confidences of {clips} are far above 1 (for example {example}), as those of RTMW. The thresholds "
    "(0.1, 0.5 and 0.8) expect 0 to 1, so nearly every point counts as visible, even of a hidden hand. Scale "
    "the confidences so that the lowest one you trust is 0.5, and import again.",
)
OUT_OF_RANGE = FindingKind(
    "confidences-out-of-range",
    "Confidences of {clips} are below 0, or above the limit of their format (for example {example}), so "
    "they are not confidences. Check the order and units of the values in the files: x, y and confidence.",
    refused_above=0.5,
)
AT_ZERO = FindingKind(
    "points-at-zero",
    "In {clips} points at (0, 0) are stored as seen (for example {example}). Such points are usually "
    "missing. Store them with confidence 0, and import again.",
)
NOT_NUMBERS = FindingKind(
    "points-not-numbers",
    "In {clips} points that are not numbers (NaN) are stored as seen (for example {example}). They are read "
    "as missing. Store them with confidence 0.",
)

Numbers = Float64[np.ndarray, " n"]


def note_points(
    name: str, video: Video, body: Body, highest_confidence: float | None, report: ReadReport
) -> None:
    """Check the points and confidences of a clip. `highest_confidence` is the limit of its format, if any."""
    x, y, confidence = np.ascontiguousarray(as_float64(video.joints).reshape(-1, 3).T)
    _note_confidences(name, (x, y, confidence), highest_confidence, report)
    sure = np.flatnonzero(confidence > _MIN_CONFIDENCE)
    points = x, y = x.take(sure), y.take(sure)
    if not (x.all() and y.all() and _are_near(x) and _are_near(y)):
        _note_no_places(name, points, report)
        near = (np.abs(x) <= LARGEST_COORDINATE) & (np.abs(y) <= LARGEST_COORDINATE)
        points = x[near], y[near]
    _note_misfit(name, video, points, report)
    note_exchanged_size(name, video, body, points, report)


def _are_near(values: Numbers) -> bool:
    """Whether all are within `LARGEST_COORDINATE`; not if one is NaN."""
    return len(values) == 0 or bool(
        values.min() >= -LARGEST_COORDINATE and values.max() <= LARGEST_COORDINATE
    )


def _note_no_places(name: str, points: SurePoints, report: ReadReport) -> None:
    """Count a clip many of whose sure points are at (0, 0) or not numbers."""
    x, y = points
    numbers = np.isfinite(x) & np.isfinite(y)
    for kind, at in ((AT_ZERO, (x == 0) & (y == 0)), (NOT_NUMBERS, ~numbers)):
        count = np.count_nonzero(at)
        if count > _FEW * len(x):
            report.find(kind, f"{name}: {count} of {len(x)}")


def _note_misfit(name: str, video: Video, points: SurePoints, report: ReadReport) -> None:
    """Count a clip many of whose sure points lie outside its frame, or all in a tiny part of it."""
    x, y = points
    if not len(x):
        return
    left, right, top, bottom = x.min(), x.max(), y.min(), y.max()
    is_outside = False
    if left < 0 or top < 0 or right > video.width or bottom > video.height:
        negative = (x < 0) | (y < 0)
        num_outside = np.count_nonzero(negative | (x > video.width) | (y > video.height))
        num_negative = np.count_nonzero(negative)
        is_outside = bool(
            num_outside > _MOST * len(x) or num_negative > _MOST_NEGATIVE * len(x)
        ) or _is_trunk_negative(video)
    area = (right - left) / video.width * ((bottom - top) / video.height)
    is_one_place = left == right and top == bottom and len(x) > 1
    if is_outside or is_one_place or (area < _SMALLEST_AREA and _has_body(video)):
        example = (
            f"{name}: x from {left:.0f} to {right:.0f}, y from {top:.0f} to {bottom:.0f} in "
            f"{video.width} x {video.height}"
        )
        report.find(OUTSIDE_FRAME if is_outside else IN_A_CORNER, example)


def _is_trunk_negative(video: Video) -> bool:
    trunk = as_float64(video.joints[:, TRUNK])
    points = trunk[seen(trunk), :2]
    return bool(np.count_nonzero((points < 0).any(axis=1)) > _MOST_NEGATIVE * len(points))


def _has_body(video: Video) -> bool:
    """Whether some point of the trunk is sure. A hand alone may be small."""
    return bool((video.joints[:, TRUNK, 2] > _MIN_CONFIDENCE).any())


def _note_confidences(
    name: str, points: tuple[Numbers, Numbers, Numbers], limit: float | None, report: ReadReport
) -> None:
    """Count a clip if more than `_FEW` of its known confidences are below 0 or above the limit.

    A point whose x, y and confidence are all the same negative number is missing.
    """
    x, y, confidence = points
    most = LARGEST_SHARE if limit is None else limit + _ROUNDING
    if confidence.min() >= -_ROUNDING and confidence.max() <= most:  # not of NaN
        return
    is_missing = (confidence == 0) | ((confidence < 0) & (x == confidence) & (y == confidence))
    known = confidence[~is_missing & np.isfinite(confidence)]
    few = _FEW * len(known)
    if np.count_nonzero(known < -_ROUNDING) > few:
        report.find(OUT_OF_RANGE, f"{name}: down to {known.min():.2g}")
    elif np.count_nonzero(known > most) > few:
        report.find(UNBOUNDED if limit is None else OUT_OF_RANGE, f"{name}: up to {known.max():.1f}")
