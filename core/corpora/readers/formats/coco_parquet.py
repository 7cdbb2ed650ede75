"""Reader of COCO-WholeBody keypoints in Parquet: a file per clip, a row for each keypoint of each frame."""

from pathlib import Path

import numpy as np

from core.corpora.readers.checks.pixels import check_pixels, stated_size
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats.coco_wholebody import FORMAT
from core.corpora.readers.long_rows import Placed, place_rows
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
    """A clip's rows; a keypoint without a row is unknown."""
    (path,) = clip.files
    rows, said = _rows(path)
    keypoints = place_rows(rows, NUM_RAW_JOINTS, path, report)
    check_pixels(keypoints, path)
    return RawClip.of(keypoints, _size(said, path, options), clip.name, frame_rate=said.get("fps"))


def _rows(path: Path) -> tuple[list[Placed], dict[str, float]]:
    """The rows, and what they say of the whole clip."""
    rows, said = [], dict[str, float]()
    for batch in read_batches(path, _KINDS, _OF_CLIP):
        indices = batch["keypoint"].astype("i8")
        if len(indices) and (indices.min() < 0 or indices.max() >= NUM_RAW_JOINTS):
            raise CorpusError(
                f"{path}: 'keypoint' must be 0 to {NUM_RAW_JOINTS - 1}; it goes from {indices.min()} to "
                f"{indices.max()}."
            )
        values = np.stack([batch[name] for name in ("x", "y", "confidence")], axis=1)
        rows.append(Placed(batch["frame"], indices, values))
        for name in _OF_CLIP.keys() & batch.keys():
            _only_value(batch[name], name, said, path)
    return rows, said


def _only_value(values: np.ndarray, name: str, said: dict[str, float], path: Path) -> None:
    for value in np.unique(values[~np.isnan(values)]).tolist():
        if said.setdefault(name, value) != value:
            raise CorpusError(f"{path}: column {name!r} must be the same in all rows of a clip.")


def _size(said: dict[str, float], path: Path, options: ReadOptions) -> tuple[int, int]:
    if "width" not in said or "height" not in said:
        return stated_size(path, options.image_size)
    width, height = said["width"], said["height"]
    if not 2 <= min(width, height) <= max(width, height) <= _LARGEST_SIDE:
        raise CorpusError(f"{path}: 'width' and 'height' must lie between 2 and {_LARGEST_SIDE} pixels.")
    return round(width), round(height)


LAYOUT = ClipFormat(FORMAT, read_clip)
