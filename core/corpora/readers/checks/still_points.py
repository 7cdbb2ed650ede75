"""Check for points that do not move, and for frames that repeat the one before.

Detections differ by a little from frame to frame, even of a person who does not move.
"""

import numpy as np
from jaxtyping import Bool

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.seen import MIN_CONFIDENCE
from core.corpora.source import ReadReport
from core.pose.normalise import Video
from core.pose.skeleton import LEFT_HAND, RIGHT_HAND, TRUNK

STILL_POINTS = FindingKind(
    "still-points",
    "In {clips} a hand or the trunk is at exactly the same place in all frames (for example {example}). The "
    "files probably repeat one frame, or hold a constant in place of a part. Extract these clips again.",
)
REPEATED_FRAMES = FindingKind(
    "repeated-frames",
    "In {clips} most frames are exact copies of the frame before (for example {example}). The video was "
    "probably filled up to a higher frame rate. Extract its own frames only.",
)
_MIN_FRAMES = 10
_MOST = 0.5
_ONE_OF_EACH = [RIGHT_HAND.start, LEFT_HAND.start, TRUNK.start]
_PARTS = (("right hand", RIGHT_HAND), ("left hand", LEFT_HAND), ("trunk", TRUNK))


def note_still_points(name: str, video: Video, report: ReadReport) -> None:
    """Count a clip with a part that never moves, or with many repeated frames."""
    if len(video) < _MIN_FRAMES:
        return
    points = video.joints[:, :, :2]
    some = points[:, _ONE_OF_EACH]
    if not (some[1:] == some[:-1]).any():  # as of nearly every clip
        return
    known = np.asarray((video.joints[:, :, 2] > MIN_CONFIDENCE) & np.any(points, axis=2))  # (T, 49)
    same = np.asarray(np.all(points[1:] == points[:-1], axis=2))  # (T - 1, 49)
    if not (same & known[1:]).any():
        return
    still = [part for part, joints in _PARTS if _is_still(same[:, joints], known[:, joints])]
    repeated = (same | ~known[1:]).all(axis=1) & known[1:].any(axis=1)
    if still:
        report.find(STILL_POINTS, f"{name}: {' and '.join(still)}")
    elif repeated.mean() > _MOST:
        report.find(REPEATED_FRAMES, f"{name}: {np.count_nonzero(repeated)} of {len(video)} frames")


def _is_still(same: Bool[np.ndarray, "t v"], known: Bool[np.ndarray, "T v"]) -> bool:
    """Whether a part is known in enough frames, and equal in any two that follow each other."""
    frames = np.asarray(known.any(axis=1))
    both = frames[1:] & frames[:-1]
    return bool(frames.sum() >= _MIN_FRAMES and both.any() and same[both].all())
