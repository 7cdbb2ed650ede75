"""Check that the person is upright in the frames: the nose above the shoulders, and these side by side.

If not, y counts upwards, x and y are exchanged, or the frames are turned. In 5,545 clips of real signers the
nose is at least 0.45 shoulder widths above the middle of the shoulders, and the line through the shoulders is
at most 27 degrees from level. In 24,022 single frames the nose is never 0.3 widths below that middle, and
never beside shoulders of which one is above the other.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.body import Body
from core.corpora.source import ReadReport
from core.pose.skeleton import NOSE

NOT_UPRIGHT = FindingKind(
    "not-upright",
    "In {clips} the nose is not above the shoulders (for example {example}). Convert the points so that x "
    "counts to the right and y downwards in upright frames, and import again.",
    refused_above=0.5,
)
_FAR = 0.3
"""In shoulder widths."""
_CAUSES = {
    ("below", False): "y counts upwards, so store the height of the frame minus y (for fractions 1 - y)",
    ("below", True): "the frames are turned by 180 degrees",
    ("to the left of", False): "x and y are exchanged",
    ("to the left of", True): "the frames are turned by 90 degrees counterclockwise",
    ("to the right of", False): "x and y are exchanged, and both count backwards",
    ("to the right of", True): "the frames are turned by 90 degrees clockwise",
}
"""What is probable, by the place of the nose and whether the image was only turned, not mirrored too."""


class _Posture(NamedTuple):
    """Medians in pixels: from the right to the left shoulder, and from their middle to the nose."""

    across: Float64[np.ndarray, "2"]
    up: Float64[np.ndarray, "2"]


def note_upright(name: str, body: Body, report: ReadReport) -> bool:
    """Count a clip for or against persons who are not upright; return False if the clip is one of them."""
    num_frames = np.count_nonzero(body.head)
    if 2 * np.count_nonzero(body.upright) > num_frames:  # as of nearly every clip
        report.find(NOT_UPRIGHT, name, holds=False)
        return True
    if not num_frames:
        return True
    found = _example(_posture(body))
    if found is not None:
        report.find(NOT_UPRIGHT, f"{name}: {found}")
    return found is None


def _posture(body: Body) -> _Posture:
    up = body.joints[NOSE.start, :2] - body.middle
    both = np.concatenate([body.across, up])[:, body.head]
    half = both.shape[1] // 2
    medians = np.partition(both, half)[:, half]
    return _Posture(medians[:2], medians[2:])


def _example(posture: _Posture) -> str | None:
    """Say where the nose is and the probable cause; None if nose and shoulders do not agree."""
    across, up = posture
    width = float(np.hypot(*across))
    is_vertical = abs(up[1]) > abs(up[0])
    farthest = up[1] if is_vertical else up[0]
    if abs(farthest) <= _FAR * width or is_vertical != (abs(across[0]) > abs(across[1])):
        return None
    if is_vertical and farthest < 0:
        return None
    place = "below" if is_vertical else "to the left of" if farthest < 0 else "to the right of"
    is_turned = bool(up[0] * across[1] - up[1] * across[0] > 0)
    return f"{abs(farthest) / width:.2f} shoulder widths {place} them; probably {_CAUSES[place, is_turned]}"
