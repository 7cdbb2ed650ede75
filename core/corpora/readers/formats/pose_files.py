"""Reader of `.pose` files, through the pose-format library. See docs/formats.md.

The library trusts what a file says of its own size: of a shortened file it would read a part, and mix up
points and confidences. So sizes are compared with the bytes there are before it reads them.
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
from core.corpora.readers.untrusted.npz import damage_named, doubles
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS
from core.specs.jobs import SourceFormat

if TYPE_CHECKING:
    from pose_format.pose_header import PoseHeader

FORMAT: SourceFormat = "pose_format"
MAX_FILE_BYTES = 2**28
"""Largest file read."""
MAX_POINTS = 10_000
"""Most points of a person."""

_LATER = (float(np.float32(0.1)), float(np.float32(0.2)))
"""Versions after 0.0, as they are stored."""
_HEADER_START = struct.Struct("<fHHHH")
"""Version; the frame's width, height and depth; how many components there are."""


@dataclass(frozen=True)
class Recording:
    """A `.pose` file: points and confidences (T, people, points, 3), and what its header says."""

    header: "PoseHeader"
    points: Float64[np.ndarray, "T P V 3"]
    frame_rate: float


def is_pose(path: Path) -> bool:
    """Whether a file begins as a `.pose` file does: with a version (perhaps 0), a frame size, and parts."""
    with damage_named(path), path.open("rb") as stream:
        head = stream.read(_HEADER_START.size)
    return _version(head) is not None and any(head)


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """A recording's points; of several people, the surest one of each frame."""
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
    from pose_format.numpy import NumPyPoseBody  # imports NumPy's masked arrays and little else
    from pose_format.pose_header import PoseHeader
    from pose_format.utils.reader import BufferReader

    with damage_named(path), _end_named(path):
        content = _content(path)
        reader = BufferReader(content)
        header = PoseHeader.read(reader)
        _check_header(header)
        num_frames = _num_frames(header, content, reader.read_offset, report)
        if num_frames == 0:
            return Recording(header, np.zeros((0, 1, header.total_points(), 3)), math.nan)
        body = NumPyPoseBody.read(header, reader)
    points = np.concatenate([doubles(body.data.data[..., :2]), doubles(body.confidence)[..., None]], axis=3)
    return Recording(header, points, float(body.fps))


@contextmanager
def _end_named(path: Path) -> Iterator[None]:
    """The file is over where a number should begin."""
    try:
        yield
    except struct.error:
        raise ValueError(f"it ends early, after {path.stat().st_size} bytes") from None


def _content(path: Path) -> bytes:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise CorpusError(f"{path} has more than {MAX_FILE_BYTES} bytes; write a file per clip.")
    content = path.read_bytes()
    if _version(content) is None:
        raise CorpusError(f"{path} is no .pose file of version 0.0, 0.1 or 0.2.")
    return content


def _version(content: bytes) -> float | None:
    """The version a file begins with, if it is one that is read."""
    if len(content) < _HEADER_START.size:
        return None
    exact = _HEADER_START.unpack_from(content)[0]
    return exact if exact == 0 else next((known for known in _LATER if math.isclose(exact, known)), None)


def _check_header(header: "PoseHeader") -> None:
    for component in header.components:
        if not (component.format.startswith("XY") and component.format.endswith("C")):
            raise ValueError(f"points of {component.name!r} are {component.format!r}, not X, Y, ..., C")
    if not 0 < header.total_points() <= MAX_POINTS:
        raise ValueError(f"it has {header.total_points()} points; 1 to {MAX_POINTS} are read")


def _num_frames(header: "PoseHeader", content: bytes, start: int, report: ReadReport) -> int:
    """How many frames there are, once that is the number of bytes there are."""
    if _version(content) == 0:
        return _walked_frames(header, content, start, report)
    form = struct.Struct("<HHH" if _version(content) == _LATER[0] else "<fIH")
    _, num_frames, num_people = form.unpack_from(content, start)
    present = len(content) - start - form.size
    bytes_of_frame = num_people * header.total_points() * (header.num_dims() + 1) * 4
    _compare(num_frames * bytes_of_frame, present)
    return int(num_frames) if num_people else 0


def _walked_frames(header: "PoseHeader", content: bytes, start: int, report: ReadReport) -> int:
    """Version 0.0 counts the people of each frame anew; the library reads the first of them."""
    _, num_frames = struct.unpack_from("<HH", content, start)
    bytes_of_person = 2 + sum(len(part.points) * len(part.format) * 4 for part in header.components)
    offset = start + 4
    for _ in range(num_frames):
        (num_people,) = struct.unpack_from("<H", content, offset)
        offset += 2 + num_people * bytes_of_person
        if num_people > 1:
            report.frames_of_several_people += 1
            report.note("Of .pose files of version 0.0, the first person of each frame is read.")
    _compare(offset, len(content))
    return int(num_frames)


def _compare(promised: int, present: int) -> None:
    if promised != present:
        raise ValueError(f"it promises {promised} bytes, but there are {present}")


def _frame_size(header: "PoseHeader", path: Path, options: ReadOptions) -> tuple[int, int]:
    width, height = header.dimensions.width, header.dimensions.height
    return (width, height) if min(width, height) >= 2 else stated_size(path, options.image_size)


LAYOUT = ClipFormat(FORMAT, read_clip)
