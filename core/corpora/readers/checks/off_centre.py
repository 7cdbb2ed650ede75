"""Check that people stand near the middle of their frames: if most do not, the frame size is wrong.

In 5,541 clips of real signers the middle of the shoulders is at 0.31 to 0.76 of the width, and in 29 of them
farther than 0.16 from the middle. So a single clip does not tell.
"""

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.body import Body
from core.corpora.readers.checks.pixels import SIZE_OPTIONS
from core.corpora.readers.checks.seen import middle
from core.corpora.source import ReadReport

OFF_CENTRE = FindingKind(
    "people-off-centre",
    "In {clips} the person is far from the middle of the frame (for example {example}). Unless people stand "
    "at its side, the frame has another width: the size is that of another video, or width and height are "
    f"exchanged. Check {SIZE_OPTIONS}.",
    min_count=5,  # a few clips may show people at the side
)
_FARTHEST = 0.16
"""Largest distance from the middle, in frame widths."""


def place_of(body: Body) -> float | None:
    """Return the median x of the middle of the shoulders in pixels; None if they are never seen together."""
    places = body.middle[0][body.shoulders]
    return middle(places) if len(places) else None


def note_off_centre(name: str, width: int, body: Body, report: ReadReport) -> None:
    """Count a clip for or against people far from the middle of the frame."""
    place = place_of(body)
    if place is not None:
        is_far = abs(place / width - 0.5) > _FARTHEST
        example = f"{name}: shoulders at {place:.0f} of {width} pixels" if is_far else name
        report.find(OFF_CENTRE, example, holds=is_far)
