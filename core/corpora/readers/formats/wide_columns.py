"""Columns of tables with one row a frame: `x_left_hand_0`, or `left_hand_0_x`, and columns about the clip."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.corpora.readers.formats.mediapipe_points import TRUNK_POSE_POINTS
from core.corpora.readers.frame_order import stated_field
from core.corpora.readers.named_fields import CLIP_NAMES, FACT_NAMES, field_named
from core.corpora.readers.untrusted.parquet_rows import column_names, is_parquet
from core.corpora.readers.untrusted.text_form import header_cells
from core.corpora.readers.video_of_rows import video_columns
from core.pose.skeleton import NUM_HAND_JOINTS

Point = tuple[str, int]
"""A part (`pose`, `left_hand`, `right_hand`) and the index of its point."""

POINTS: tuple[Point, ...] = (
    *(("pose", index) for index in TRUNK_POSE_POINTS),
    *(("left_hand", index) for index in range(NUM_HAND_JOINTS)),
    *(("right_hand", index) for index in range(NUM_HAND_JOINTS)),
)
"""The points that are read."""
MAX_OTHERS = 30
"""Most unread columns that are looked at, to name those that may tell clips apart."""

_COORDINATE = re.compile(r"(x|y|z|visibility|presence)_.*|.*_(x|y|z|visibility|presence)", re.DOTALL)
_AXIS_FIRST = re.compile(r"(x|y|visibility)_(pose|left_hand|right_hand)_(\d{1,3})")
_AXIS_LAST = re.compile(r"(pose|left_hand|right_hand)_(\d{1,3})_(x|y|visibility)")


@dataclass(frozen=True)
class WideColumns:
    """Names of the columns that are read.

    * `values`: for each of `POINTS` its x, y and visibility; None where the table has no such column.
    * `clip`, `frame`: which clip and which of its frames a row is; None if the table is one clip in order.
    * `facts`: the column of each kind of metadata.
    * `video`: the columns of `width`, `height` and `fps`, where there are any.
    * `others`: columns that are not read and have no coordinates.
    * `doubled`: a column that the table has twice; such a table is not read.
    """

    values: tuple[tuple[str | None, str | None, str | None], ...]
    clip: str | None
    frame: str | None
    facts: dict[str, str]
    video: dict[str, str]
    others: tuple[str, ...]
    doubled: str | None

    @classmethod
    def of(cls, names: Sequence[str]) -> "WideColumns | None":
        """Find the columns among a table's; None if it does not have both hands."""
        places = {place: name for name in names if (place := _place(name)) is not None}
        hands = ((point, axis) for point in POINTS if point[0] != "pose" for axis in "xy")
        if not all((*point, axis) in places for point, axis in hands):
            return None
        values = tuple(
            (places.get((*point, "x")), places.get((*point, "y")), places.get((*point, "visibility")))
            for point in POINTS
        )
        clip, frame = field_named(names, CLIP_NAMES), stated_field(names)
        facts = {fact: name for fact, known in FACT_NAMES.items() if (name := field_named(names, known))}
        video = video_columns(names)
        read = {clip, frame, *facts.values(), *video.values()}
        others = [name for name in names if name and name not in read and not _COORDINATE.fullmatch(name)]
        return cls(
            values,
            clip,
            frame,
            facts,
            video,
            tuple(others[:MAX_OTHERS]),
            next((name for name, count in Counter(names).items() if count > 1), None),
        )


def wide_columns(path: Path) -> WideColumns | None:
    """Return the columns of a CSV or Parquet file with a row a frame; None for any other file.

    Raises:
        CorpusError: it is Parquet and damaged.
    """
    if is_parquet(path):
        names = column_names(path)
    elif path.suffix == ".csv":
        names = header_cells(path)
    else:
        return None
    return WideColumns.of(names)


def _place(name: str) -> tuple[str, int, str] | None:
    """Return the part, index and axis of a column."""
    if found := _AXIS_FIRST.fullmatch(name):
        return found[2], int(found[3]), found[1]
    if found := _AXIS_LAST.fullmatch(name):
        return found[1], int(found[2]), found[3]
    return None
