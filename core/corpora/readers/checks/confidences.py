"""Confidences that are no shares of 1: thresholds are made for these, and would keep every point."""

import numpy as np

from core.corpora.source import ReadReport
from core.pose.normalise import Video

LARGEST_SHARE = 1.5
"""What is above is no share of 1. Heatmaps' peaks overshoot 1 to about 1.25; SimCC's (RTMPose, RTMW, DWPose)
have no limit, and those of RTMW are mostly from 1 to 5."""
_FEW = 0.05
_UNBOUNDED = (
    "Confidences of {count} clips run far beyond 1 (for example {example}), as RTMW's do. Thresholds (0.1, "
    "0.5 and 0.8) are made for 0 to 1, so nearly every point counts as seen, even of a hand out of sight. "
    "Scale confidences so that the least you trust is 0.5, and import again."
)


def note_unbounded(name: str, video: Video, report: ReadReport) -> None:
    """Count a clip of whose points with any confidence more than a few have one above `LARGEST_SHARE`."""
    confidences = video.joints[:, :, 2]
    known = confidences[(confidences > 0) & np.isfinite(confidences)]
    if len(known) and (known > LARGEST_SHARE).mean() > _FEW:
        report.tally(_UNBOUNDED, f"{name}: up to {known.max():.1f}")
