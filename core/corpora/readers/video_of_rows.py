"""The frame size and frame rate that columns of a table state, the same in all rows of a clip."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from core.corpora.readers.frame_size import checked_size
from core.corpora.readers.named_fields import field_named
from core.corpora.readers.untrusted.parquet_rows import ColumnKind
from core.errors import CorpusError

_NAMES = {
    "width": ("width", "image_width", "frame_width"),
    "height": ("height", "image_height", "frame_height"),
    "fps": ("fps", "frame_rate"),
}


def video_columns(there: Iterable[str]) -> dict[str, str]:
    """Return the columns that state `width`, `height` and `fps`, of those that are there."""
    names = list(there)
    return {fact: name for fact, known in _NAMES.items() if (name := field_named(names, known)) is not None}


class VideoOfRows:
    """Frame size and frame rate of a clip, gathered from its rows."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self._path = path
        self._columns = columns
        self._values: dict[str, float] = {}

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """The columns to read."""
        return dict.fromkeys(self._columns.values(), "numbers")

    def add(self, batch: Mapping[str, np.ndarray]) -> None:
        """Look at some rows; empty cells say nothing.

        Raises:
            CorpusError: a value changes within the clip.
        """
        for fact, name in self._columns.items():
            for value in np.unique(batch[name][~np.isnan(batch[name])]).tolist():
                if (first := self._values.setdefault(fact, value)) != value:
                    raise CorpusError(
                        f"{self._path}: column {name!r} must be the same in all rows of a clip; "
                        f"got {first:g}, {value:g}."
                    )

    @property
    def size(self) -> tuple[int, int] | None:
        """The (width, height) in pixels; None if it is not stated.

        Raises:
            CorpusError: it is not a valid size.
        """
        if "width" not in self._values or "height" not in self._values:
            return None
        return checked_size(self._values["width"], self._values["height"], self._path)

    @property
    def frame_rate(self) -> float | None:
        """The frames a second, if they are stated."""
        return self._values.get("fps")
