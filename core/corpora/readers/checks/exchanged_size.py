"""Check for a frame whose width and height are exchanged, as those of rotated phone videos are."""

import numpy as np
from jaxtyping import Float64

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.body import Body
from core.corpora.readers.checks.off_centre import place_of
from core.corpora.readers.checks.pixels import SIZE_OPTIONS
from core.corpora.source import ReadReport
from core.pose.normalise import Video

EXCHANGED_SIZE = FindingKind(
    "exchanged-frame-size",
    "Points of {clips} lie outside their frame, but none would if its width and height were exchanged (for "
    f"example {{example}}). If that is the shape of the video, set {SIZE_OPTIONS} so.",
    min_share=10 / 11,
)

_FAR_LEFT = 0.3
"""In frame widths. The shoulders of real signers are at 0.31 or more; those of a person in the middle of
1080 x 1920, read as 1920 x 1080, are at 0.28. Of 640 x 480 many clips may tell (`off_centre`)."""

SurePoints = tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]
"""x and y of points in pixels."""


def note_exchanged_size(name: str, video: Video, body: Body, points: SurePoints, report: ReadReport) -> None:
    """Count a clip for exchanged width and height, or against.

    Estimators place hidden points outside of the frame too, so such a point alone says little. It is evidence
    if all points fit into the exchanged frame, and the shoulders are far left in the stated one. Frames that
    are right speak against it: many have points that would not fit.
    """
    width, height = video.width, video.height
    if width == height:
        return
    x, y = points
    if not len(x):
        return
    right, bottom = x.max(), y.max()
    is_inside = right <= width and bottom <= height
    would_fit = right <= height and bottom <= width
    if is_inside == would_fit:
        return
    if is_inside or (place_of(body) or width) < _FAR_LEFT * width:
        example = f"{name}: x up to {right:.0f}, y up to {bottom:.0f} in {width} x {height}"
        report.find(EXCHANGED_SIZE, example, holds=would_fit)
