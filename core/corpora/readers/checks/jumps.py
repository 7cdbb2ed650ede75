"""Count clips in which the person jumps: points of two people in turn, or frames that are not in order."""

import numpy as np

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.seen import seen
from core.corpora.readers.untrusted.npz import as_float64
from core.corpora.source import ReadReport
from core.pose.normalise import Video
from core.pose.skeleton import LEFT_ARM, RIGHT_ARM

JUMPS = FindingKind(
    "jumps",
    "In {clips} the shoulders move by more than a shoulder width from one frame to the next (for example "
    "{example}). Probably the points are of several people in turn, or the frames are not in order. Look at "
    "these clips.",
)


def note_jumps(name: str, video: Video, report: ReadReport) -> None:
    """Count a clip whose middle of the shoulders moves farther than their distance, between two frames.

    The distance is the larger one of both frames: detectors place the shoulders too far apart at first.
    """
    left, right = (as_float64(video.joints[:, arm.start]) for arm in (LEFT_ARM, RIGHT_ARM))
    both = seen(left) & seen(right)
    if np.count_nonzero(both) < 2:
        return
    left, right = left[both, :2], right[both, :2]
    middles = (left + right) / 2
    widths = np.hypot(*(left - right).T)
    follows = np.diff(np.flatnonzero(both)) == 1
    steps = np.hypot(*np.diff(middles, axis=0).T)
    num_jumps = np.count_nonzero(follows & (steps > np.maximum(widths[1:], widths[:-1])))
    if num_jumps:
        report.find(JUMPS, f"{name}: {num_jumps} times")
