"""Count clips in which the person jumps: points of two people in turn, or frames that are not in order."""

import numpy as np

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.body import Body
from core.corpora.source import ReadReport

JUMPS = FindingKind(
    "jumps",
    "In {clips} the shoulders move by more than a shoulder width from one frame to the next (for example "
    "{example}). Probably the points are of several people in turn, or the frames are not in order. Look at "
    "these clips.",
)


def note_jumps(name: str, body: Body, report: ReadReport) -> None:
    """Count a clip whose middle of the shoulders moves farther than their distance, between two frames.

    The distance is the larger one of both frames: detectors place the shoulders too far apart at first. If
    the shoulders are not seen in between, they may move as much for each frame.
    """
    if np.count_nonzero(body.shoulders) < 2:
        return
    middles, widths = body.middle[:, body.shoulders], body.width[body.shoulders]
    if np.ptp(middles, axis=1).sum() <= widths.min():  # as of nearly every clip
        return
    num_frames = np.diff(np.flatnonzero(body.shoulders))
    steps = np.hypot(*np.diff(middles))
    num_jumps = np.count_nonzero(steps > num_frames * np.maximum(widths[1:], widths[:-1]))
    if num_jumps:
        report.find(JUMPS, f"{name}: {num_jumps} times")
