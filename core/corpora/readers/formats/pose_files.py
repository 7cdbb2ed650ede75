"""Reader of `.pose` files, based on the pose-format library. See docs/reference/formats.md.

The library trusts the sizes in a file's header. It would read a truncated file in part, and confuse points
with confidences. So the header's sizes are compared with the file's length first.
"""

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from core.corpora.readers.checks.people import most_confident
from core.corpora.readers.checks.pixels import check_pixels, stated_size
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats.pose_parts import part_indices
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.npz import as_corpus_error, as_float64
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS
from core.source_files import open_source, read_source
from core.specs.source_formats import SourceFormat

if TYPE_CHECKING:
    from pose_format.pose_header import PoseHeader

FORMAT: SourceFormat = "pose_format"
MAX_FILE_BYTES = 2**28
"""Maximum file size."""
MAX_POINTS = 10_000
"""Maximum points of a person."""

_LATER = (float(np.float32(0.1)), float(np.float32(0.2)))
"""Versions after 0.0, as stored (rounded to float32)."""
_HEADER_START = struct.Struct("<fHHHH")
"""Version; the frame's width, height and depth; the number of components."""


@dataclass(frozen=True)
class Recording:
    """A `.pose` file: points and confidences (T, people, points, 3), its header and its frame rate."""

    header: "PoseHeader"
    points: Float64[np.ndarray, "T P V 3"]
    frame_rate: float


def is_pose(path: Path) -> bool:
    """Whether a file starts like a `.pose` file: with a version (maybe 0.0), a frame size and components."""
    with as_corpus_error(path), open_source(path) as stream:
        head = stream.read(_HEADER_START.size)
    return _version(head) is not None and any(head)


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a recording's points; of several people, the one with the most confidence in each frame."""
    (path,) = clip.files
    recording = _recording(path, report)
    indices = part_indices(recording.header.components, path, report)
    keypoints = np.zeros((len(recording.points), NUM_RAW_JOINTS, 3))
    for index, people in enumerate(recording.points):
        if len(people):
            keypoints[index, indices.coco] = most_confident(people[:, indices.points], report)
    size = _frame_size(recording.header, path, options)
    check_pixels(keypoints, path)
    return RawClip.of(keypoints, size, clip.name, frame_rate=recording.frame_rate)


def _recording(path: Path, report: ReadReport) -> Recording:
    from pose_format.numpy import NumPyPoseBody  # light: imports little more than NumPy's masked arrays
    from pose_format.pose_header import PoseHeader
    from pose_format.utils.reader import BufferReader

    with as_corpus_error(path), _truncation_named(path):
        content = _content(path)
        reader = BufferReader(content)
        header = PoseHeader.read(reader)
        _check_header(header)
        num_frames = _num_frames(header, content, reader.read_offset, report)
        if num_frames == 0:
            return Recording(header, np.zeros((0, 1, header.total_points(), 3)), math.nan)
        body = NumPyPoseBody.read(header, reader)
    points = np.concatenate(
        [as_float64(body.data.data[..., :2]), as_float64(body.confidence)[..., None]], axis=3
    )
    return Recording(header, points, float(body.fps))


@contextmanager
def _truncation_named(path: Path) -> Iterator[None]:
    """Report an unexpected end of the file, which the library raises as a struct.error."""
    try:
        yield
    except struct.error:
        raise ValueError(f"it ends early, after {path.stat().st_size} bytes") from None


def _content(path: Path) -> bytes:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise CorpusError(
            f"{path} has {path.stat().st_size} bytes; the limit is {MAX_FILE_BYTES} bytes. Write a file per "
            "clip."
        )
    content = read_source(path)
    if _version(content) is None:
        raise CorpusError(f"{path} is not a .pose file of version 0.0, 0.1 or 0.2.")
    return content


def _version(content: bytes) -> float | None:
    """Return the version at the start of a file, if it is supported."""
    if len(content) < _HEADER_START.size:
        return None
    exact = _HEADER_START.unpack_from(content)[0]
    return exact if exact == 0 else next((known for known in _LATER if math.isclose(exact, known)), None)


def _check_header(header: "PoseHeader") -> None:
    for component in header.components:
        if not (component.format.startswith("XY") and component.format.endswith("C")):
            raise ValueError(
                f"points of {component.name!r} have the format {component.format!r}; expected X, Y, ..., C"
            )
    if not 0 < header.total_points() <= MAX_POINTS:
        raise ValueError(f"it has {header.total_points()} points; the limit is 1 to {MAX_POINTS}")


def _num_frames(header: "PoseHeader", content: bytes, start: int, report: ReadReport) -> int:
    """Return the number of frames, after checking it against the file's length."""
    if _version(content) == 0:
        return _count_frames_of_version_0(header, content, start, report)
    form = struct.Struct("<HHH" if _version(content) == _LATER[0] else "<fIH")
    _, num_frames, num_people = form.unpack_from(content, start)
    present = len(content) - start - form.size
    bytes_of_frame = num_people * header.total_points() * (header.num_dims() + 1) * 4
    _check_length(num_frames * bytes_of_frame, present)
    return int(num_frames) if num_people else 0


def _count_frames_of_version_0(header: "PoseHeader", content: bytes, start: int, report: ReadReport) -> int:
    """Count the frames of version 0.0, which states the number of people in each frame.

    The library reads only the first person.
    """
    _, num_frames = struct.unpack_from("<HH", content, start)
    bytes_of_person = 2 + sum(len(part.points) * len(part.format) * 4 for part in header.components)
    offset = start + 4
    for _ in range(num_frames):
        (num_people,) = struct.unpack_from("<H", content, offset)
        offset += 2 + num_people * bytes_of_person
        if num_people > 1:
            report.frames_of_several_people += 1
            report.note("In .pose files of version 0.0, only the first person of each frame was read.")
    _check_length(offset, len(content))
    return int(num_frames)


def _check_length(promised: int, present: int) -> None:
    if promised != present:
        raise ValueError(f"its header states {promised} bytes, but it has {present}")


def _frame_size(header: "PoseHeader", path: Path, options: ReadOptions) -> tuple[int, int]:
    width, height = header.dimensions.width, header.dimensions.height
    return (width, height) if min(width, height) >= 2 else stated_size(path, options.image_size)


LAYOUT = ClipFormat(FORMAT, read_clip)
