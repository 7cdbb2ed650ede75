"""Convert tables in long format (one row per point and frame) to arrays of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from core.corpora.readers.checks.frame_gaps import count_gaps
from core.corpora.source import ReadReport
from core.errors import CorpusError

MAX_FRAMES = 50_000
"""Maximum frames of a clip in a table: half an hour at 25 frames a second."""


@dataclass(frozen=True)
class PlacedRows:
    """Some rows: frame numbers (n,), point indices within a frame (n,), -1 for none, and values (n, D)."""

    frames: np.ndarray
    places: np.ndarray
    values: Float64[np.ndarray, "n D"]

    @classmethod
    def empty_frames(cls, frames: np.ndarray, num_values: int = 2) -> "PlacedRows":
        """Make rows that mark frames as present, without points."""
        return cls(frames, np.full(len(frames), -1), np.full((len(frames), num_values), np.nan))


def place_rows(
    rows: Sequence[PlacedRows], num_places: int, path: Path, report: ReadReport
) -> Float64[np.ndarray, "T V D"]:
    """Put each row's values at its frame and point; NaN without a row. Gaps are closed and counted.

    Raises:
        CorpusError: no rows, a negative frame number, too many frames, or two rows for one point.
    """
    if not sum(len(part.frames) for part in rows):
        raise CorpusError(f"{path} has no rows.")
    numbers, order = np.unique(np.concatenate([part.frames for part in rows]), return_inverse=True)
    if numbers[0] < 0:
        raise CorpusError(f"{path}: column 'frame' has the value {numbers[0]}; frame numbers start at 0.")
    if len(numbers) > MAX_FRAMES:
        raise CorpusError(
            f"{path} has {len(numbers)} frames; the limit is {MAX_FRAMES}. Write a file per clip."
        )
    count_gaps(numbers.tolist(), report)
    places = np.concatenate([part.places for part in rows])
    values = np.concatenate([part.values for part in rows])
    cells: Int64[np.ndarray, " n"] = (order * num_places + places)[places >= 0]
    if len(np.unique(cells)) < len(cells):
        raise CorpusError(f"{path} has two rows for one point of a frame. Write a file per clip.")
    table = np.full((len(numbers) * num_places, values.shape[1]), np.nan)
    table[cells] = values[places >= 0]
    return table.reshape(len(numbers), num_places, -1)
