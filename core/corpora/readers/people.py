"""Choosing the signer where a detector found several people, and refusing what are no pixels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from core.corpora.source import ReadReport
from core.errors import CorpusError


def most_confident(
    people: Sequence[Float64[np.ndarray, "V 3"]], report: ReadReport
) -> Float64[np.ndarray, "V 3"]:
    """Of a frame's people, each points of x, y and confidence, the one with the highest total confidence."""
    if len(people) == 1:
        return people[0]
    report.frames_of_several_people += 1
    report.note("Where a frame shows several people, the one with the highest total confidence is read.")
    totals = [np.nansum(np.clip(person[:, 2], 0, None)) for person in people]
    return people[int(np.argmax(totals))]


def check_pixels(keypoints: Float64[np.ndarray, "T V 3"], path: Path) -> None:
    """Refuse keypoints whose every sure point lies within two pixels of the corner: they are fractions.

    Raises:
        CorpusError: names the file.
    """
    sure = keypoints[keypoints[:, :, 2] > 0][:, :2]
    finite = sure[np.isfinite(sure).all(axis=1)]
    if len(finite) and np.abs(finite).max() <= 2:
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
            f"{path} does not state its frames' width and height in pixels; set image_width and image_height."
        )
    return image_size
