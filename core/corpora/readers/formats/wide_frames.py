"""Reader of tables with one row a frame, CSV or Parquet, of one clip or of many.

See docs/reference/formats.md.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.facts_of_rows import different, only_text, with_facts
from core.corpora.readers.formats.mediapipe_points import (
    HIGHEST_VISIBILITY,
    NUM_POSE_POINTS,
    as_coco,
    check_fractions,
    frame_size,
)
from core.corpora.readers.formats.wide_columns import POINTS, WideColumns, wide_columns
from core.corpora.readers.formats.wide_rows import RowsOfClip, rows_of_clips
from core.corpora.readers.frame_order import order_of
from core.corpora.readers.labels_table import LabelsTable
from core.corpora.readers.raw_clip import OpenedSource, RawClip, ReadOptions, Unreadable
from core.corpora.readers.untrusted.naming import listed, shortened
from core.corpora.readers.untrusted.parquet_rows import column_kinds, is_parquet
from core.corpora.readers.video_of_rows import VideoOfRows
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.skeleton import NUM_HAND_JOINTS
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "wide_frames"


def fits(path: Path) -> bool:
    """Whether a file is a table with a row a frame."""
    return wide_columns(path) is not None


def holds_many(path: Path) -> bool:
    """Whether a file is such a table with a column that tells the clip of a row."""
    columns = wide_columns(path)
    return columns is not None and columns.clip is not None


def open_file(path: Path, options: ReadOptions, report: ReadReport) -> OpenedSource:
    """Open a table of many clips."""
    return open_files([path], None, options, report)


def open_files(
    paths: Sequence[Path], table: LabelsTable | None, options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open tables of many clips; a table of labels replaces what their columns say of a clip.

    Raises:
        CorpusError: a table is damaged, or the table of labels has none of the clips.
    """
    prefixes = _prefixes(paths)
    clips = [clip for path in paths for clip in _clips(path, prefixes[path], report)]
    labelled = clips if table is None else table.applied(clips, report)
    facts = {clip.name: clip for clip in labelled}
    pieces = (piece for path in paths for piece in _pieces(path, prefixes[path], facts, options))
    return OpenedSource(FORMAT, len(clips), pieces, options.profile, report)


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a table of one clip."""
    (path,) = clip.files
    columns = _columns(path)
    if columns.clip is not None:
        raise CorpusError(f"{path} has a column {columns.clip!r}, so it is not a table of one clip.")
    texts = _texts(path, columns)
    (rows,) = rows_of_clips(path, columns, _numbers(columns), texts)
    unread: dict[str, tuple[str, ...]] = {}
    _add_unread(rows, columns, unread)
    _note_unread(path, unread, report)
    facts = _facts(rows, columns, path)
    return with_facts(_raw_clip(clip.name, rows, columns, path, options, report), facts)


@dataclass(frozen=True)
class WidePiece:
    """The rows of one clip, unchanged from the file."""

    path: Path
    columns: WideColumns
    rows: RowsOfClip
    clip: ClipFiles
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clip; `Unreadable` if its numbers are invalid."""
        try:
            raw = _raw_clip(self.clip.name, self.rows, self.columns, self.path, self.options, report)
        except CorpusError as error:
            yield Unreadable(self.clip.name, str(error))
            return
        clip = self.clip
        yield replace(raw, label=clip.label, signer=clip.signer, session=clip.session, split=clip.split)


def _prefixes(paths: Sequence[Path]) -> dict[Path, str]:
    """Return what comes before the names of a table's clips: nothing, or of several tables their path."""
    if len(paths) == 1:
        return {paths[0]: ""}
    common = os.path.commonpath([path.parent for path in paths])
    return {path: f"{path.relative_to(common).with_suffix('')}/" for path in paths}


def _clips(path: Path, prefix: str, report: ReadReport) -> Iterator[ClipFiles]:
    """Read only names and metadata."""
    columns = _columns(path)
    unread: dict[str, tuple[str, ...]] = {}
    for rows in rows_of_clips(path, columns, (), _texts(path, columns)):
        _add_unread(rows, columns, unread)
        yield ClipFiles(prefix + rows.name, (path,), **_facts(rows, columns, path))
    _note_unread(path, unread, report)


def _facts(rows: RowsOfClip, columns: WideColumns, path: Path) -> dict[str, str]:
    """Return what the table says of a clip. A row may leave it empty.

    Raises:
        CorpusError: it changes within the clip.
    """
    clip = f" of clip {shortened(rows.name)!r}" if columns.clip else ""
    advice = "If these are several clips, tell them apart by a column 'clip'."
    found = {
        fact: only_text(rows.texts[name], name, path, advice=advice, what=clip)
        for fact, name in columns.facts.items()
    }
    return {fact: text for fact, text in found.items() if text}


def _texts(path: Path, columns: WideColumns) -> list[str]:
    """Return the columns of metadata, and those unread ones that may hold text."""
    others = columns.others
    if is_parquet(path):
        kinds = column_kinds(path)
        others = tuple(name for name in others if kinds.get(name) == "text")
    return [*columns.facts.values(), *others]


def _add_unread(rows: RowsOfClip, columns: WideColumns, unread: dict[str, tuple[str, ...]]) -> None:
    """Add the first two texts of each unread column."""
    for name in columns.others:
        unread[name] = different((*unread.get(name, ()), *rows.texts.get(name, ())))


def _note_unread(path: Path, unread: Mapping[str, tuple[str, ...]], report: ReadReport) -> None:
    """Name the columns of text that change and are not read, as one of them may tell clips apart."""
    changing = [name for name, texts in unread.items() if len(texts) > 1 and not all(map(_is_number, texts))]
    if changing:
        report.note(
            f"Columns of text in {path.name} that change and were not read: {listed(changing)}. If one tells "
            "clips apart, call it 'clip'."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _pieces(
    path: Path, prefix: str, facts: dict[str, ClipFiles], options: ReadOptions
) -> Iterator[WidePiece]:
    columns = _columns(path)
    for rows in rows_of_clips(path, columns, _numbers(columns)):
        yield WidePiece(path, columns, rows, facts[prefix + rows.name], options)


def _columns(path: Path) -> WideColumns:
    columns = wide_columns(path)
    if columns is None:
        raise CorpusError(f"{path} must have the columns x_left_hand_0 to y_right_hand_20, one row a frame.")
    if columns.doubled is not None:
        raise CorpusError(f"{path} has several columns {columns.doubled[:60]!r}. Keep one of them.")
    return columns


def _numbers(columns: WideColumns) -> list[str]:
    """Return the columns of numbers; the frame, if there is one, is the first."""
    values = [name for names in columns.values for name in names if name is not None]
    return [*([] if columns.frame is None else [columns.frame]), *values, *columns.video.values()]


def _raw_clip(
    name: str,
    rows: RowsOfClip,
    columns: WideColumns,
    path: Path,
    options: ReadOptions,
    report: ReadReport,
) -> RawClip:
    frame = columns.frame
    numbers = rows.numbers if frame is None else _in_order(rows, frame, path, report)
    of_name = dict(zip(_numbers(columns), numbers.T, strict=True))
    video = VideoOfRows(path, columns.video)
    video.add(of_name)
    size = frame_size(name, video.size, options, report)
    keypoints = _keypoints(of_name, len(numbers), columns, size)
    check_fractions(keypoints, size, path)
    return RawClip.of(
        keypoints, size, name, frame_rate=video.frame_rate, highest_confidence=HIGHEST_VISIBILITY
    )


def _keypoints(
    of_name: Mapping[str, np.ndarray], num_frames: int, columns: WideColumns, size: tuple[int, int]
) -> Float64[np.ndarray, "T 133 3"]:
    points = np.zeros((num_frames, len(POINTS), 3))
    for place, (x, y, visibility) in enumerate(columns.values):
        if x is not None and y is not None:
            points[:, place, 0], points[:, place, 1] = of_name[x], of_name[y]
            points[:, place, 2] = 1 if visibility is None else of_name[visibility]
    pose = np.zeros((num_frames, NUM_POSE_POINTS, 3))
    num_pose = len(POINTS) - 2 * NUM_HAND_JOINTS
    pose[:, [index for _, index in POINTS[:num_pose]]] = points[:, :num_pose]
    left, right = np.split(points[:, num_pose:], 2, axis=1)
    return as_coco(pose, left, right, size)


def _in_order(rows: RowsOfClip, name: str, path: Path, report: ReadReport) -> Float64[np.ndarray, "T C"]:
    """Sort rows by their frame; gaps are closed and counted."""
    frames = [None if number != number else number for number in rows.numbers[:, 0].tolist()]
    what = f" of clip {shortened(rows.name)!r}" if rows.name else ""
    return rows.numbers[order_of(frames, name, path, report, what)]


LAYOUT = ClipFormat(FORMAT, read_clip)
