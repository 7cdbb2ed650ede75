"""Convert tables in long format (one row per point and frame) to arrays of frames."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from core.corpora.readers.checks.frame_gaps import count_gaps
from core.corpora.readers.untrusted.clip_size import MAX_FRAMES, check_frames
from core.corpora.source import ReadReport
from core.errors import CorpusError


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
    rows: Iterable[PlacedRows], num_places: int, path: Path, report: ReadReport
) -> Float64[np.ndarray, "T V D"]:
    """Put each row's values at its frame and point; NaN without a row. Gaps are closed and counted.

    Raises:
        CorpusError: no rows, a negative frame number, too many frames, or two rows for one point.
    """
    rows = _bounded(rows, num_places, path)
    if not sum(len(part.frames) for part in rows):
        raise CorpusError(f"{path} has no rows.")
    numbers, order = np.unique(np.concatenate([part.frames for part in rows]), return_inverse=True)
    if numbers[0] < 0:
        raise CorpusError(f"{path}: column 'frame' has the value {numbers[0]}; frame numbers start at 0.")
    check_frames(len(numbers), path)
    count_gaps(numbers.tolist(), report)
    places = np.concatenate([part.places for part in rows])
    values = np.concatenate([part.values for part in rows])
    cells: Int64[np.ndarray, " n"] = (order * num_places + places)[places >= 0]
    if len(np.unique(cells)) < len(cells):
        raise CorpusError(f"{path} has two rows for one point of a frame. Write a file per clip.")
    table = np.full((len(numbers) * num_places, values.shape[1]), np.nan)
    table[cells] = values[places >= 0]
    return table.reshape(len(numbers), num_places, -1)


def _bounded(rows: Iterable[PlacedRows], num_places: int, path: Path) -> list[PlacedRows]:
    """Take the rows, at most as many as `MAX_FRAMES` frames have points."""
    taken, num_rows = [], 0
    for part in rows:
        taken.append(part)
        num_rows += len(part.frames)
        if num_rows > MAX_FRAMES * num_places:
            raise CorpusError(
                f"{path} has more than {MAX_FRAMES * num_places} rows of points, for {MAX_FRAMES} frames. "
                "Write a file per clip."
            )
    return taken
