"""Read the frame size from a pickle of a clip, in the notations that are in use."""

from collections.abc import Mapping
from typing import Any

import numpy as np

_OF_EACH_FRAME = "w_h"
"""Uni-Sign's (width, height) of the clip or of each frame."""
_SHAPES = ("img_shape", "original_shape")
"""MMPose's (height, width)."""


def size_of_frames(facts: Mapping[Any, Any]) -> tuple[int, int] | None:
    """Return the stated (width, height) in pixels, or None.

    Raises:
        ValueError, TypeError: it is not a valid size, or frames have different sizes.
    """
    if "width" in facts and "height" in facts:
        width, height = facts["width"], facts["height"]
    elif _OF_EACH_FRAME in facts and len(facts[_OF_EACH_FRAME]):
        width, height = _only_size(facts[_OF_EACH_FRAME])
    elif (name := next((name for name in _SHAPES if name in facts), None)) is not None:
        height, width = facts[name][:2]
    else:
        return None
    if not 2 <= min(width, height) <= max(width, height) <= 1e6:
        raise ValueError(f"its frame size is {width} x {height} pixels; the limit is 2 to 1000000")
    return round(float(width)), round(float(height))


def _only_size(sizes: Any) -> tuple[float, float]:
    """Return the (width, height) of a pair, or of one pair per frame."""
    pairs = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    if len(several := np.unique(pairs, axis=0)) > 1:
        named = " and ".join(f"{width:g} x {height:g}" for width, height in several[:2].tolist())
        raise ValueError(f"its frames have {named} pixels; all frames of a clip must have the same size")
    width, height = pairs[0].tolist()
    return width, height
