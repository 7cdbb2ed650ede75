"""Reader of COCO-WholeBody keypoints in Parquet: one file per clip, one row per keypoint and frame."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.corpora.readers.checks.pixels import check_pixels, stated_size
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats.coco_wholebody import FORMAT
from core.corpora.readers.frame_size import chosen_size
from core.corpora.readers.long_rows import PlacedRows, place_rows
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.parquet_rows import ColumnKind, read_batches
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS

_KINDS: dict[str, ColumnKind] = {
    "frame": "integers",
    "keypoint": "integers",
    "x": "numbers",
    "y": "numbers",
    "confidence": "numbers",
}
_OF_CLIP: dict[str, ColumnKind] = {"width": "numbers", "height": "numbers", "fps": "numbers"}
"""Columns that repeat one value for the whole clip."""
COLUMNS = frozenset(_KINDS)
_LARGEST_SIDE = 10**6


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a clip; a keypoint without a row is unknown."""
    (path,) = clip.files
    clip_values: dict[str, float] = {}
    keypoints = place_rows(_rows(path, clip_values), NUM_RAW_JOINTS, path, report)
    check_pixels(keypoints, path)
    size = chosen_size(clip.name, _size(clip_values, path), options, report)
    rate = clip_values.get("fps")
    return RawClip.of(keypoints, size or stated_size(path, None), clip.name, frame_rate=rate)


def _rows(path: Path, clip_values: dict[str, float]) -> Iterator[PlacedRows]:
    """Read the rows, and add the values of the columns that apply to the whole clip to `clip_values`."""
    for batch in read_batches(path, _KINDS, _OF_CLIP):
        indices = batch["keypoint"].astype("i8")
        if len(indices) and (indices.min() < 0 or indices.max() >= NUM_RAW_JOINTS):
            raise CorpusError(
                f"{path}: 'keypoint' must be from 0 to {NUM_RAW_JOINTS - 1}; got {indices.min()} to "
                f"{indices.max()}."
            )
        values = np.stack([batch[name] for name in ("x", "y", "confidence")], axis=1)
        yield PlacedRows(batch["frame"], indices, values)
        for name in _OF_CLIP.keys() & batch.keys():
            _only_value(batch[name], name, clip_values, path)


def _only_value(values: np.ndarray, name: str, clip_values: dict[str, float], path: Path) -> None:
    for value in np.unique(values[~np.isnan(values)]).tolist():
        if (first := clip_values.setdefault(name, value)) != value:
            raise CorpusError(
                f"{path}: column {name!r} must be the same in all rows of a clip; got {first:g}, {value:g}."
            )


def _size(clip_values: dict[str, float], path: Path) -> tuple[int, int] | None:
    if "width" not in clip_values or "height" not in clip_values:
        return None
    width, height = clip_values["width"], clip_values["height"]
    if not 2 <= min(width, height) <= max(width, height) <= _LARGEST_SIDE:
        raise CorpusError(
            f"{path}: 'width' and 'height' must be between 2 and {_LARGEST_SIDE} pixels; got {width:g} and "
            f"{height:g}."
        )
    return round(width), round(height)


LAYOUT = ClipFormat(FORMAT, read_clip)
