"""Reader of COCO-WholeBody keypoints in Parquet: one file per clip, one row per keypoint and frame."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.pixels import check_pixels, stated_size
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.facts_of_rows import FactsOfFile, with_facts
from core.corpora.readers.formats.coco_wholebody import FORMAT
from core.corpora.readers.frame_size import chosen_size
from core.corpora.readers.long_rows import PlacedRows, place_rows
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.parquet_rows import ColumnKind, column_names, read_batches
from core.corpora.readers.video_of_rows import VideoOfRows, video_columns
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
COLUMNS = frozenset(_KINDS)
FROM_ONE = FindingKind(
    "keypoints-from-one",
    "In {clips} there are keypoints 1 to 132 but never 0 (for example {example}). They are probably numbered "
    "from 1. Number them from 0.",
    refused_above=0.5,
)


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a clip; a keypoint without a row is unknown."""
    (path,) = clip.files
    facts, video = FactsOfFile(path), VideoOfRows(path, video_columns(column_names(path)))
    keypoints = place_rows(_rows(path, facts, video), NUM_RAW_JOINTS, path, report)
    check_pixels(keypoints, path)
    report.find(FROM_ONE, clip.name, holds=_is_from_one(keypoints))
    size = chosen_size(clip.name, video.size, options, report) or stated_size(path, None)
    raw = RawClip.of(keypoints, size, clip.name, frame_rate=video.frame_rate)
    return with_facts(raw, facts.facts())


def _rows(path: Path, facts: FactsOfFile, video: VideoOfRows) -> Iterator[PlacedRows]:
    """Read the rows, and add the columns that apply to the whole clip to `facts` and `video`."""
    for batch in read_batches(path, _KINDS | facts.kinds | video.kinds):
        facts.add(batch)
        video.add(batch)
        indices = batch["keypoint"].astype("i8")
        if len(indices) and (indices.min() < 0 or indices.max() >= NUM_RAW_JOINTS):
            raise CorpusError(
                f"{path}: 'keypoint' must be from 0 to {NUM_RAW_JOINTS - 1}; got {indices.min()} to "
                f"{indices.max()}."
            )
        values = np.stack([batch[name] for name in ("x", "y", "confidence")], axis=1)
        yield PlacedRows(batch["frame"], indices, values)


def _is_from_one(keypoints: np.ndarray) -> bool:
    """Whether the nose (0) has no row in any frame, although its neighbours and the last keypoint have."""
    nose, eye, last = (np.isfinite(keypoints[:, index]).any() for index in (0, 1, NUM_RAW_JOINTS - 1))
    return bool(eye and last and not nose)


LAYOUT = ClipFormat(FORMAT, read_clip)
