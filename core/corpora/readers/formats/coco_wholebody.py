"""Reader of COCO-WholeBody keypoints in `.npz`: one clip, many clips in one file, or a folder of clips.

Keypoints are x and y in pixels and a confidence, 133 to a frame. See docs/reference/formats.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from core.corpora.readers.checks.exchanged_axes import are_at_one_place
from core.corpora.readers.checks.people import OnePerson
from core.corpora.readers.checks.pixels import SIZE_OPTIONS, check_pixels
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.columns import ClipColumns
from core.corpora.readers.frame_size import chosen_size
from core.corpora.readers.raw_clip import OpenedSource, RawClip, RawClips, ReadOptions, Unreadable
from core.corpora.readers.scores import refuse_scores, scores_in, with_scores
from core.corpora.readers.untrusted.clip_size import check_clips, check_frames
from core.corpora.readers.untrusted.npz import UntrustedNpz
from core.corpora.readers.video_of_npz import frame_rates, stated_sizes
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "coco_wholebody_133"

_CLIPS_AT_ONCE, _FRAMES_AT_ONCE = 32, 8192


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read one clip: `keypoints` (T, 133, 3), or (T, 133, 2) and `scores`; `width` and `height`."""
    keypoints, size, rate = read_keypoints(clip.files[0], options, report)
    return RawClip.of(keypoints, size, clip.name, frame_rate=rate)


def read_keypoints(
    path: Path, options: ReadOptions, report: ReadReport
) -> tuple[np.ndarray, tuple[int, int], float | None]:
    """Read a file with one clip: keypoints (T, 133, 3), the frame's (width, height), and the frame rate.

    Raises:
        CorpusError: damaged, of another shape, of many clips, or without a frame size.
    """
    with UntrustedNpz(path) as file:
        if "offsets" in file:
            raise CorpusError(f"{path} has 'offsets', so it holds many clips. Import such files alone.")
        keypoints = file.array("keypoints")
        if (name := scores_in(file, keypoints.shape)) is not None:
            keypoints = _scored(file, keypoints, name, report)
        check_frames(_checked(file, keypoints.shape, keypoints.dtype), path)
        check_pixels(keypoints, path)
        return keypoints, _image_sizes(file, [path.stem], options, report)[0], frame_rates(file, 1)[0]


def open_clips(path: Path, options: ReadOptions, report: ReadReport) -> OpenedSource:
    """A file with many clips one after the other: `keypoints` (F, 133, 3), `offsets` (N + 1), and columns."""
    with UntrustedNpz(path) as file:
        with file.rows("keypoints") as rows:
            num_frames = _checked(file, rows.shape, rows.dtype)
        refuse_scores(file, (num_frames, NUM_RAW_JOINTS, 3))
        offsets = _offsets(file, num_frames)
        num_clips = len(offsets) - 1
        columns = ClipColumns.of(file, num_clips)
        sizes = _image_sizes(file, columns.names, options, report)
        rates = frame_rates(file, num_clips)
    pieces = _pieces_of_rows(path, offsets, columns, sizes, rates)
    return OpenedSource(FORMAT, num_clips, pieces, options.profile, report)


def _pieces_of_rows(
    path: Path,
    offsets: list[int],
    columns: ClipColumns,
    sizes: list[tuple[int, int]],
    rates: list[float | None],
) -> Iterator[RawClips]:
    """Read the pieces in this process, because a zipped array can only be read sequentially."""
    with UntrustedNpz(path) as file, file.rows("keypoints") as rows:
        for numbers in _together(offsets):
            raws = (
                columns.raw_clip(
                    number, rows.read(offsets[number + 1] - offsets[number]), sizes[number], rates[number]
                )
                for number in numbers
            )
            yield RawClips(tuple(_in_pixels(raw, path) for raw in raws))


def _together(offsets: list[int]) -> Iterator[range]:
    """Yield numbers of clips to read at once: of `_CLIPS_AT_ONCE`, or of few frames."""
    first = 0
    for number in range(1, len(offsets)):
        is_much = offsets[number] - offsets[first] > _FRAMES_AT_ONCE or number - first == _CLIPS_AT_ONCE
        if is_much or number == len(offsets) - 1:
            yield range(first, number)
            first = number


def _in_pixels(raw: RawClip, path: Path) -> RawClip | Unreadable:
    """Return the clip, or `Unreadable` if its keypoints are not in pixels."""
    try:
        check_pixels(raw.video.joints, path)
    except CorpusError as error:
        return Unreadable(raw.name, str(error))
    return raw


def _scored(file: UntrustedNpz, keypoints: np.ndarray, name: str, report: ReadReport) -> np.ndarray:
    """Join positions (T, 133, 2 or 3) and scores (T, 133), of one person or several (T, P, ...)."""
    scores = file.array(name)
    shape = keypoints.shape
    people = len(shape) == 4
    if (
        shape[-2:-1] != (NUM_RAW_JOINTS,)
        or shape[-1] not in (2, 3)
        or len(shape) not in (3, 4)
        or scores.shape != shape[:-1]
    ):
        raise CorpusError(
            f"{file.path}: 'keypoints' and {name!r} must have the shapes (frames, {NUM_RAW_JOINTS}, 2) and "
            f"(frames, {NUM_RAW_JOINTS}), or an axis of people after the frames; got {shape} and "
            f"{scores.shape}."
        )
    if keypoints.dtype.kind not in "fiu" or scores.dtype.kind not in "fiu" or (people and not shape[1]):
        raise CorpusError(f"{file.path}: 'keypoints' and {name!r} must be numbers of at least one person.")
    joined = with_scores(keypoints, scores)
    if not people:
        return joined
    if len(joined) == 1 and are_at_one_place(joined[0]):
        raise CorpusError(
            f"{file.path}: 'keypoints' {shape} has one frame of {shape[1]} people at one place. They are "
            "probably frames: save it with the frames first."
        )
    one = OnePerson(report)
    chosen = [person for frame in joined if (person := one.choose(list(frame))) is not None]
    return np.stack(chosen) if chosen else joined[:, 0]


def _checked(file: UntrustedNpz, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> int:
    if len(shape) != 3 or shape[1:] != (NUM_RAW_JOINTS, 3) or dtype.kind not in "fiu":
        raise CorpusError(
            f"{file.path}: 'keypoints' must be numbers of shape (frames, {NUM_RAW_JOINTS}, 3); "
            f"got {dtype} {shape}."
        )
    return shape[0]


def _offsets(file: UntrustedNpz, num_frames: int) -> list[int]:
    offsets = file.array("offsets")
    if offsets.ndim != 1 or len(offsets) < 1 or offsets.dtype.kind not in "iu":
        raise CorpusError(
            f"{file.path}: 'offsets' must be integers of shape (clips + 1,); got {offsets.dtype} "
            f"{offsets.shape}."
        )
    check_clips(len(offsets) - 1, file.path)
    values: list[int] = offsets.tolist()
    if values[0] != 0 or values[-1] != num_frames or values != sorted(values):
        raise CorpusError(
            f"{file.path}: 'offsets' must increase from 0 to the number of frames, {num_frames}; they start "
            f"with {values[0]} and end with {values[-1]}."
        )
    check_frames(int(max(np.diff(values), default=0)), file.path)
    return values


def _image_sizes(
    file: UntrustedNpz, names: Sequence[str], options: ReadOptions, report: ReadReport
) -> list[tuple[int, int]]:
    """Return each clip's (width, height): from the options or from the file, one for all or one each."""
    sizes = []
    for name, stated in zip(names, stated_sizes(file, len(names)), strict=True):
        if (size := chosen_size(name, stated, options, report)) is None:
            raise CorpusError(
                f"{file.path} has no arrays 'width' and 'height' (frame size in pixels). Set {SIZE_OPTIONS}."
            )
        sizes.append(size)
    return sizes


LAYOUT = ClipFormat(FORMAT, read_clip)
