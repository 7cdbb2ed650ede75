"""Join points and the confidences that a source keeps beside them.

If confidences lie beside points of three coordinates, the third one is a depth, not a confidence.
"""

from typing import Any

import numpy as np

from core.corpora.readers.untrusted.npz import UntrustedNpz, as_float64
from core.errors import CorpusError

SCORES = ("scores", "keypoint_scores", "keypoints_scores", "confidence", "confidences", "conf", "score")
"""Names of confidences beside points."""


def are_of_points(points_shape: tuple[int, ...], scores_shape: tuple[int, ...]) -> bool:
    """Whether scores (...,) have the axes of points (..., C): a score for each point, not for a person."""
    return len(scores_shape) == len(points_shape) - 1


def with_scores(points: Any, scores: Any) -> np.ndarray:
    """Join points (..., C) of x, y and perhaps a depth, and scores (...), to (..., 3)."""
    return np.concatenate([as_float64(points)[..., :2], as_float64(scores)[..., None]], axis=-1)


def scores_in(file: UntrustedNpz, points_shape: tuple[int, ...]) -> str | None:
    """Return the name of an array of confidences beside points of this shape; None if there is none."""
    for name in SCORES:
        if name in file:
            with file.rows(name) as rows:
                if points_shape[-1:] == (2,) or are_of_points(points_shape, rows.shape):
                    return name
    return None


def refuse_scores(file: UntrustedNpz, points_shape: tuple[int, ...]) -> None:
    """Reject confidences in a file of many clips, whose third coordinate must be the confidence.

    Raises:
        CorpusError: names the array.
    """
    if (name := scores_in(file, points_shape)) is not None:
        raise CorpusError(
            f"{file.path} has {name!r} beside 'keypoints' {points_shape}. In a file of many clips the third "
            f"value of each keypoint must be its confidence: put {name!r} there."
        )
