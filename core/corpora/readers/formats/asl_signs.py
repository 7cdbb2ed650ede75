"""Reader of Kaggle's asl-signs sequences, MediaPipe landmarks in Parquet (docs/reference/formats.md)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from core.corpora.readers.clip_files import ClipFiles, ClipFormat, one_clip_per_file
from core.corpora.readers.facts_of_rows import FactsOfFile, with_facts
from core.corpora.readers.formats.mediapipe_points import (
    NUM_POSE_POINTS,
    as_coco,
    check_fractions,
    frame_size,
    with_confidence,
)
from core.corpora.readers.labels_table import KAGGLES_TABLE
from core.corpora.readers.long_rows import PlacedRows, place_rows
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.naming import shortened
from core.corpora.readers.untrusted.parquet_rows import ColumnKind, column_names, read_batches
from core.corpora.readers.video_of_rows import VideoOfRows, video_columns
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.skeleton import NUM_HAND_JOINTS
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "asl_signs"

_KINDS: dict[str, ColumnKind] = {
    "frame": "integers",
    "type": "text",
    "landmark_index": "integers",
    "x": "numbers",
    "y": "numbers",
}
COLUMNS = frozenset(_KINDS)
"""Required columns; other columns such as `row_id` and `z` are ignored."""

_NUM_LANDMARKS = {
    "face": 468,
    "left_hand": NUM_HAND_JOINTS,
    "pose": NUM_POSE_POINTS,
    "right_hand": NUM_HAND_JOINTS,
}
_FIRST = {"pose": 0, "left_hand": NUM_POSE_POINTS, "right_hand": NUM_POSE_POINTS + NUM_HAND_JOINTS}
"""Index of each part's first landmark among the landmarks that are kept."""
_NUM_KEPT = NUM_POSE_POINTS + 2 * NUM_HAND_JOINTS
_LANDMARK_FOLDER = "train_landmark_files"


def group_sequences(folder: Path, files: Sequence[Path]) -> list[ClipFiles]:
    """Make a clip of each file. In Kaggle's own layout folders are participants, so `train.csv` is required.

    Raises:
        CorpusError: `train.csv` is missing.
    """
    below = next((path for path in files if _LANDMARK_FOLDER in path.parts), None)
    if below is not None:
        beside = Path(*below.parts[: below.parts.index(_LANDMARK_FOLDER)])
        if not beside.is_relative_to(folder) or not (beside / KAGGLES_TABLE).is_file():
            raise CorpusError(
                f"{below} is in {_LANDMARK_FOLDER}, but the {KAGGLES_TABLE} with its sign is missing. Import "
                "the folder that holds both."
            )
    return one_clip_per_file(folder, files)


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a sequence's landmarks; NaN values were not detected."""
    (path,) = clip.files
    facts, video = FactsOfFile(path), VideoOfRows(path, video_columns(column_names(path)))
    landmarks = place_rows(_rows(path, facts, video), _NUM_KEPT, path, report)  # (T, 75, 2)
    size = frame_size(clip.name, video.size, options, report)
    found = with_confidence(landmarks)
    left, right = _FIRST["left_hand"], _FIRST["right_hand"]
    keypoints = as_coco(found[:, :left], found[:, left:right], found[:, right:], size)
    check_fractions(keypoints, size, path)
    return with_facts(RawClip.of(keypoints, size, clip.name, frame_rate=video.frame_rate), facts.facts())


def _rows(path: Path, facts: FactsOfFile, video: VideoOfRows) -> Iterator[PlacedRows]:
    for batch in read_batches(path, _KINDS | facts.kinds | video.kinds):
        facts.add(batch)
        video.add(batch)
        places = np.full(len(batch["frame"]), -1)
        for kind in sorted(set(batch["type"].tolist())):
            rows_of_kind = batch["type"] == kind
            places[rows_of_kind] = _places(batch["landmark_index"][rows_of_kind], kind, path)
        positions = np.stack([batch["x"], batch["y"]], axis=1)
        kept = places >= 0
        yield PlacedRows(batch["frame"][kept], places[kept], positions[kept])
        yield PlacedRows.empty_frames(np.unique(batch["frame"][~kept]))


def _places(indices: np.ndarray, kind: str, path: Path) -> np.ndarray:
    """Return each landmark's index among those that are kept; -1 for those of the face."""
    if kind not in _NUM_LANDMARKS:
        raise CorpusError(
            f"{path}: column 'type' must hold only {', '.join(_NUM_LANDMARKS)}; it holds {shortened(kind)!r}."
        )
    if indices.min() < 0 or indices.max() >= _NUM_LANDMARKS[kind]:
        raise CorpusError(
            f"{path}: 'landmark_index' of {kind} must be from 0 to {_NUM_LANDMARKS[kind] - 1}; got "
            f"{indices.min()} to {indices.max()}."
        )
    return indices.astype("i8") + _FIRST[kind] if kind in _FIRST else np.full(len(indices), -1)


LAYOUT = ClipFormat(FORMAT, read_clip, group_sequences)
