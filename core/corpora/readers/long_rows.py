"""Tables with a row for each point of each frame, as arrays of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from core.corpora.readers.checks.frame_gaps import count_gaps
from core.corpora.source import ReadReport
from core.errors import CorpusError

MAX_FRAMES = 50_000
"""Most frames of a clip in a table: half an hour at 25 a second."""


@dataclass(frozen=True)
class Placed:
    """Some rows: frame numbers (n,), places of points within a frame (-1 for none), and values (n, D)."""

    frames: np.ndarray
    places: np.ndarray
    values: Float64[np.ndarray, "n D"]

    @classmethod
    def of_no_point(cls, frames: np.ndarray, num_values: int = 2) -> "Placed":
        """Frames that are there, whatever is in them."""
        return cls(frames, np.full(len(frames), -1), np.full((len(frames), num_values), np.nan))


def place_rows(
    rows: Sequence[Placed], num_places: int, path: Path, report: ReadReport
) -> Float64[np.ndarray, "T V D"]:
    """Put every row at its frame and place; NaN where there is no row. Gaps are closed and counted.

    Raises:
        CorpusError: no rows, a negative frame, too many frames, or two rows for one point.
    """
    if not sum(len(part.frames) for part in rows):
        raise CorpusError(f"{path} has no rows.")
    numbers, order = np.unique(np.concatenate([part.frames for part in rows]), return_inverse=True)
    if numbers[0] < 0:
        raise CorpusError(f"{path}: column 'frame' goes down to {numbers[0]}; frames count from 0.")
    if len(numbers) > MAX_FRAMES:
        raise CorpusError(f"{path} has {len(numbers)} frames; at most {MAX_FRAMES} are read.")
    count_gaps(numbers.tolist(), report)
    places = np.concatenate([part.places for part in rows])
    values = np.concatenate([part.values for part in rows])
    cells: Int64[np.ndarray, " n"] = (order * num_places + places)[places >= 0]
    if len(np.unique(cells)) < len(cells):
        raise CorpusError(f"{path} has two rows for one point of a frame; write a file per clip.")
    table = np.full((len(numbers) * num_places, values.shape[1]), np.nan)
    table[cells] = values[places >= 0]
    return table.reshape(len(numbers), num_places, -1)
