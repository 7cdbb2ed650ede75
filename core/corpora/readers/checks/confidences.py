"""Check for confidences outside of 0 to 1, for which the thresholds would keep nearly every point."""

import numpy as np

from core.corpora.source import ReadReport
from core.pose.normalise import Video

LARGEST_SHARE = 1.5
"""Confidences above this are not in 0 to 1. Heatmap peaks overshoot 1 up to about 1.25. SimCC scores
(RTMPose, RTMW, DWPose) are unbounded; those of RTMW are mostly from 1 to 5."""
_FEW = 0.05
_UNBOUNDED = (
    "Confidences of {count} clips are far above 1 (for example {example}), as those of RTMW. The thresholds "
    "(0.1, 0.5 and 0.8) expect 0 to 1, so nearly every point counts as visible, even of a hidden hand. Scale "
    "the confidences so that the lowest one you trust is 0.5, and import again."
)


def note_unbounded(name: str, video: Video, report: ReadReport) -> None:
    """Count a clip if more than the fraction `_FEW` of its known confidences is above `LARGEST_SHARE`."""
    confidences = video.joints[:, :, 2]
    known = confidences[(confidences > 0) & np.isfinite(confidences)]
    if len(known) and (known > LARGEST_SHARE).mean() > _FEW:
        report.tally(_UNBOUNDED, f"{name}: up to {known.max():.1f}")
