"""Count clips in which the person jumps: points of two people in turn, or frames that are not in order."""

import numpy as np

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.seen import Arm
from core.corpora.source import ReadReport

JUMPS = FindingKind(
    "jumps",
    "In {clips} the shoulders move by more than a shoulder width from one frame to the next (for example "
    "{example}). Probably the points are of several people in turn, or the frames are not in order. Look at "
    "these clips.",
)


def note_jumps(name: str, left: Arm, right: Arm, report: ReadReport) -> None:
    """Count a clip whose middle of the shoulders moves farther than their distance, between two frames.

    The distance is the larger one of both frames: detectors place the shoulders too far apart at first. If
    the shoulders are not seen in between, they may move as much for each frame.
    """
    both = left.seen[:, 0] & right.seen[:, 0]
    if np.count_nonzero(both) < 2:
        return
    ours, others = left.points[both, 0, :2], right.points[both, 0, :2]
    middles = (ours + others) / 2
    widths = np.hypot(*(ours - others).T)
    if np.ptp(middles[:, 0]) + np.ptp(middles[:, 1]) <= widths.min():  # as of nearly every clip
        return
    num_frames = np.diff(np.flatnonzero(both))
    steps = np.hypot(*np.diff(middles, axis=0).T)
    num_jumps = np.count_nonzero(steps > num_frames * np.maximum(widths[1:], widths[:-1]))
    if num_jumps:
        report.find(JUMPS, f"{name}: {num_jumps} times")
