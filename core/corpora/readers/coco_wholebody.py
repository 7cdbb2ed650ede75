"""Reader of COCO-WholeBody keypoints in `.npz`: one clip, many clips in one file, or a folder of clips.

Keypoints are x and y in pixels and a confidence, 133 to a frame. See docs/formats.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.corpora.readers.columns import ClipColumns
from core.corpora.readers.npz import NpzFile
from core.corpora.readers.raw_clip import RawClip, RawClips, ReadOptions, Source, Unreadable
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS

FORMAT = "coco_wholebody_133"

_CLIPS_AT_ONCE = 32
_FILES_AT_ONCE = 32


def open_clip(path: Path, options: ReadOptions, report: ReadReport) -> Source:
    """A file with one clip: `keypoints` (T, 133, 3), `width`, `height`."""
    piece = RawClips((_single_clip(path, path.stem, None, options),))
    return Source(FORMAT, 1, [piece], options.profile, report)


def open_clips(path: Path, options: ReadOptions, report: ReadReport) -> Source:
    """A file with many clips one after the other: `keypoints` (F, 133, 3), `offsets` (N + 1), and columns."""
    with NpzFile(path) as file:
        with file.rows("keypoints") as rows:
            num_frames = _checked(file, rows.shape, rows.dtype)
        offsets = _offsets(file, num_frames)
        num_clips = len(offsets) - 1
        columns = ClipColumns.of(file, num_clips)
        sizes = _image_sizes(file, options, num_clips)
    pieces = _pieces_of_rows(path, offsets, columns, sizes)
    return Source(FORMAT, num_clips, pieces, options.profile, report)


def open_folder(folder: Path, files: list[Path], options: ReadOptions, report: ReadReport) -> Source:
    """A folder `<sign>/<take>.npz` of single clips; a damaged file is skipped and counted."""
    pieces = [
        FilesPiece(folder, tuple(files[first : first + _FILES_AT_ONCE]), options)
        for first in range(0, len(files), _FILES_AT_ONCE)
    ]
    return Source(FORMAT, len(files), pieces, options.profile, report, separate_files=True)


@dataclass(frozen=True)
class FilesPiece:
    """Files of a folder, a clip each."""

    folder: Path
    files: tuple[Path, ...]
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Their clips; a damaged file is one that cannot be read."""
        for path in self.files:
            inside = path.relative_to(self.folder).with_suffix("")
            label = inside.parts[-2] if len(inside.parts) > 1 else None
            try:
                yield _single_clip(path, str(inside), label, self.options)
            except CorpusError as error:
                yield Unreadable(str(inside), str(error))


def _single_clip(path: Path, name: str, label: str | None, options: ReadOptions) -> RawClip:
    with NpzFile(path) as file:
        keypoints = file.array("keypoints")
        _checked(file, keypoints.shape, keypoints.dtype)
        return RawClip.of(keypoints, _image_sizes(file, options, 1)[0], name, label)


def _pieces_of_rows(
    path: Path, offsets: list[int], columns: ClipColumns, sizes: list[tuple[int, int]]
) -> Iterator[RawClips]:
    """A zipped array is read from its start to its end, so this process reads it for all."""
    with NpzFile(path) as file, file.rows("keypoints") as rows:
        for first in range(0, len(sizes), _CLIPS_AT_ONCE):
            numbers = range(first, min(first + _CLIPS_AT_ONCE, len(sizes)))
            yield RawClips(
                tuple(
                    columns.raw_clip(number, rows.read(offsets[number + 1] - offsets[number]), sizes[number])
                    for number in numbers
                )
            )


def _checked(file: NpzFile, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> int:
    if len(shape) != 3 or shape[1:] != (NUM_RAW_JOINTS, 3) or dtype.kind not in "fiu":
        raise CorpusError(
            f"{file.path}: 'keypoints' must be numbers of shape (frames, {NUM_RAW_JOINTS}, 3); "
            f"got {dtype} {shape}."
        )
    return shape[0]


def _offsets(file: NpzFile, num_frames: int) -> list[int]:
    offsets = file.array("offsets")
    if offsets.ndim != 1 or len(offsets) < 1 or offsets.dtype.kind not in "iu":
        raise CorpusError(f"{file.path}: 'offsets' must be integers (clips + 1,); got {offsets.shape}.")
    values: list[int] = offsets.tolist()
    if values[0] != 0 or values[-1] != num_frames or values != sorted(values):
        raise CorpusError(f"{file.path}: 'offsets' must rise from 0 to the {num_frames} frames there are.")
    return values


def _image_sizes(file: NpzFile, options: ReadOptions, num_clips: int) -> list[tuple[int, int]]:
    """Each clip's (width, height): the file's, one for all or one each, else the options'."""
    if "width" not in file or "height" not in file:
        if options.image_size is None:
            raise CorpusError(
                f"{file.path} does not state its frames' 'width' and 'height' in pixels; "
                "set image_width and image_height."
            )
        return [options.image_size] * num_clips
    width, height = (_sides(file, name, num_clips) for name in ("width", "height"))
    return list(zip(width, height, strict=True))


def _sides(file: NpzFile, name: str, num_clips: int) -> list[int]:
    values = file.array(name)
    if values.shape not in ((), (1,), (num_clips,)) or values.dtype.kind not in "fiu":
        raise CorpusError(f"{file.path}: {name!r} must be one number of pixels, or one per clip.")
    if not (np.isfinite(values) & (values >= 2) & (values <= 1e6)).all():
        raise CorpusError(f"{file.path}: {name!r} must lie between 2 and 1000000 pixels.")
    return [round(value) for value in np.broadcast_to(values, num_clips).tolist()]
