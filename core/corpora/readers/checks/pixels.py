"""Check that keypoints are in pixels, and that the frame size is known."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from core.errors import CorpusError

SIZE_OPTIONS = "image_width and image_height (--image-width, --image-height)"
"""The options for the frame size, as named in messages."""
FARTHEST_FRACTION = 8
"""If no coordinate is larger than this, the unit is not pixels."""


def check_pixels(keypoints: Float64[np.ndarray, "T V 3"], path: Path) -> None:
    """Reject keypoints whose coordinates are too small for pixels.

    They are fractions of the frame, or in a unit such as the shoulder width.

    Raises:
        CorpusError: names the file.
    """
    sure = keypoints[keypoints[:, :, 2] > 0][:, :2]
    finite = sure[np.isfinite(sure).all(axis=1)]
    if len(finite) and np.abs(finite).max() <= FARTHEST_FRACTION:
        raise CorpusError(
            f"{path}: x and y are at most {np.abs(finite).max():.3g}, so they are not in pixels. Convert "
            "them to pixels of the video's frames."
        )


def stated_size(path: Path, image_size: tuple[int, int] | None) -> tuple[int, int]:
    """Return the frame size of the options, for a format without one.

    Raises:
        CorpusError: the options have no frame size.
    """
    if image_size is None:
        raise CorpusError(f"{path} does not state the frame width and height in pixels. Set {SIZE_OPTIONS}.")
    return image_size
