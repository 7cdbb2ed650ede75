"""Check that keypoints are in pixels, and that the frame size is known."""

from pathlib import Path

import numpy as np

from core.corpora.readers.untrusted.npz import as_float64
from core.errors import CorpusError

SIZE_OPTIONS = "image_width and image_height (--image-width, --image-height)"
"""The options for the frame size, as named in messages."""
FARTHEST_FRACTION = 8
"""If no coordinate is larger than this, the unit is not pixels."""


def check_pixels(keypoints: np.ndarray, path: Path) -> None:
    """Reject keypoints (T, V, 3) of any numbers whose coordinates are too small for pixels.

    They are fractions of the frame, or in a unit such as the shoulder width.

    Raises:
        CorpusError: names the file.
    """
    if len(keypoints) and _is_far(keypoints[0]):  # of most files the first frame tells
        return
    farthest = _farthest(keypoints)
    if 0 <= farthest <= FARTHEST_FRACTION:
        raise CorpusError(
            f"{path}: x and y are at most {farthest:.3g}, so they are not in pixels. Convert them to pixels "
            "of the video's frames."
        )


def _is_far(points: np.ndarray) -> bool:
    """Whether some x of points (V, 3) that have a confidence is surely not a fraction of the frame."""
    x, confidence = points[:, 0], points[:, 2]
    return bool(((x > FARTHEST_FRACTION) & (confidence > 0) & np.isfinite(x)).any())


def _farthest(keypoints: np.ndarray) -> float:
    """Return the largest absolute coordinate of the points with a confidence; -1 without any."""
    x, y, confidence = as_float64(keypoints).reshape(-1, 3).T
    sure = (confidence > 0) & np.isfinite(x) & np.isfinite(y)
    return float(max(np.abs(x[sure]).max(initial=-1), np.abs(y[sure]).max(initial=-1)))


def stated_size(path: Path, image_size: tuple[int, int] | None) -> tuple[int, int]:
    """Return the frame size of the options, for a format without one.

    Raises:
        CorpusError: the options have no frame size.
    """
    if image_size is None:
        raise CorpusError(f"{path} does not state the frame width and height in pixels. Set {SIZE_OPTIONS}.")
    return image_size
