"""Whether left and right are what their names say: signs of points or frames that somebody mirrored.

A detector calls the sides as it sees them. Frames that were mirrored before it saw them show a person whose
left shoulder lies where it belongs, and whose hands have changed roles. Only points that were mirrored after
it, or names that were exchanged, put the left shoulder on the wrong side.
"""

import numpy as np
from jaxtyping import Bool, Float64

from core.corpora.source import ReadReport
from core.pose.normalise import LARGEST_COORDINATE, Video
from core.pose.skeleton import LEFT_ARM, RIGHT_ARM

_SURE = 0.5
_LEAST_FRAMES = 10
_CLEARLY_APART = 0.05
"""Share of the frame's width between shoulders; of real people that face the camera it is 0.11 to 0.39."""
_MUCH_MORE = 1.5
"""A wrist leads that goes so many times as far as the other: in real right-handers' clips the right one in
seven of ten, the left one in less than one."""
_MANY = 50
"""Clips whose leading hand means something; of a few, it is the signs'."""
_EXCHANGED = (
    "In {count} clips, most of those that tell, the left shoulder lies to the left of the right one (for "
    "example {example}); of a person who faces the camera it lies to the right. Points were mirrored after "
    "they were found, or left and right exchanged: mirror x, or exchange the names, in the files and import "
    "again."
)
_MIRRORED = (
    "In {count} clips, most of those that tell, the left hand leads (for example {example}). Unless most "
    "signers are left-handed, frames look mirrored, as some extractors mirror them before they look for "
    "points: set unmirror_frames (--unmirror-frames), or leave it out where it is set."
)

Arm = Float64[np.ndarray, "T 3 3"]


def note_sides(name: str, video: Video, report: ReadReport) -> None:
    """Count a clip for or against exchanged sides, and for or against mirrored frames, where it tells."""
    left, right = _arm(video, LEFT_ARM), _arm(video, RIGHT_ARM)
    apart = _shoulders_apart(left, right) / video.width
    if abs(apart) > _CLEARLY_APART:
        report.vote(_EXCHANGED, name, holds=apart < 0)
    ways = _way(left), _way(right)
    if max(ways) > _MUCH_MORE * min(ways):
        report.vote(_MIRRORED, name, holds=ways[0] > ways[1], least=_MANY)


def _arm(video: Video, arm: slice) -> Arm:
    return video.joints[:, arm].astype(np.float64)


def _shoulders_apart(left: Arm, right: Arm) -> float:
    """How far the left shoulder lies to the right of the right one in the median, in pixels; 0 is unknown."""
    seen = _seen(left[:, 0]) & _seen(right[:, 0])
    if np.count_nonzero(seen) < _LEAST_FRAMES:
        return 0.0
    apart = np.sort(left[seen, 0, 0] - right[seen, 0, 0])
    return float(apart[len(apart) // 2])


def _way(arm: Arm) -> float:
    """How far the wrist goes from frame to frame, where it is seen in both, in pixels."""
    wrist, seen = arm[:, 2], _seen(arm[:, 2])
    both = seen[1:] & seen[:-1]
    x, y = (wrist[1:, :2][both] - wrist[:-1, :2][both]).T
    return float(np.hypot(x, y).sum())


def _seen(points: Float64[np.ndarray, "T 3"]) -> Bool[np.ndarray, " T"]:
    x, y, confidence = points.T
    return (confidence > _SURE) & (np.abs(x) <= LARGEST_COORDINATE) & (np.abs(y) <= LARGEST_COORDINATE)
