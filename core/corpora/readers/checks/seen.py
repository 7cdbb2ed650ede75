"""Which points a detector saw, for the checks of arms and hands."""

import numpy as np
from jaxtyping import Bool, Float64

from core.pose.normalise import LARGEST_COORDINATE

MIN_CONFIDENCE = 0.5


def seen(points: Float64[np.ndarray, "T 3"]) -> Bool[np.ndarray, " T"]:
    """In which frames one point (x, y in pixels, confidence) is sure, and at a place that can be."""
    x, y, confidence = points.T
    return (
        (confidence > MIN_CONFIDENCE) & (np.abs(x) <= LARGEST_COORDINATE) & (np.abs(y) <= LARGEST_COORDINATE)
    )
