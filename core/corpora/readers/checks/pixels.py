"""Keypoints in pixels: refusing what are none, and the size of the frames they lie in."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from core.errors import CorpusError

SIZE_OPTIONS = "image_width and image_height (--image-width, --image-height)"
"""How messages call what states the size of frames."""
FARTHEST_FRACTION = 8
"""Keypoints that never leave this square are in no unit as small as a pixel."""


def check_pixels(keypoints: Float64[np.ndarray, "T V 3"], path: Path) -> None:
    """Refuse keypoints whose every sure point is nearer to the corner than pixels ever are.

    They are fractions of the frame, or in a unit such as the shoulders' width.

    Raises:
        CorpusError: names the file.
    """
    sure = keypoints[keypoints[:, :, 2] > 0][:, :2]
    finite = sure[np.isfinite(sure).all(axis=1)]
    if len(finite) and np.abs(finite).max() <= FARTHEST_FRACTION:
        raise CorpusError(
            f"{path}: x and y go no further than {np.abs(finite).max():.3g}, so they are fractions of "
            "something; write them in pixels of the video's frames."
        )


def stated_size(path: Path, image_size: tuple[int, int] | None) -> tuple[int, int]:
    """The frame size that was given, for a format that states none.

    Raises:
        CorpusError: none was given.
    """
    if image_size is None:
        raise CorpusError(
            f"{path} does not state its frames' width and height in pixels; set {SIZE_OPTIONS}."
        )
    return image_size
