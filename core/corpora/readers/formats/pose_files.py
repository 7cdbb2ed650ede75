"""Reader of `.pose` files, based on the pose-format library. See docs/reference/formats.md.

The library trusts the sizes in a file's header. It would read a truncated file in part, and confuse points
with confidences. So the header's sizes are compared with the file's length first.
"""

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from core.corpora.findings import FindingKind
from core.corpora.readers.checks.people import OnePerson
from core.corpora.readers.checks.pixels import SIZE_OPTIONS, check_pixels, stated_size
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.formats.pose_parts import PartIndices, part_indices
from core.corpora.readers.frame_size import chosen_size
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.clip_size import MAX_FRAMES, MAX_PEOPLE, check_frames
from core.corpora.readers.untrusted.npz import as_corpus_error, as_float64
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS
from core.source_files import open_source, read_source
from core.specs.source_formats import SourceFormat

if TYPE_CHECKING:
    from pose_format.pose_header import PoseHeader
    from pose_format.utils.reader import BufferReader

FORMAT: SourceFormat = "pose_format"
MAX_FILE_BYTES = 2**28
"""Maximum file size."""
MAX_POSE_FRAMES = 100_000
"""Maximum frames: more than the 65,535 that version 0.1 can count."""
MAX_POINTS = 10_000
"""Maximum points of a person."""
MAX_COMPONENTS = 100
"""Maximum components of a person, such as a hand."""
MAX_HEADER_BYTES = 2**20
"""Maximum size of the header, with the names of all points."""
MAX_PEOPLE_OF_VERSION_0 = 2 * MAX_FRAMES
"""Maximum people in all frames of version 0.0, which the library reads one by one."""

DEFAULT_SIZE = FindingKind(
    "default-frame-size",
    "The files of {clips} state a frame of 1000 x 1000 pixels (for example {example}), which pose-format's "
    f"converters write if they are told no size. Set {SIZE_OPTIONS} to the video's size.",
)
_DEFAULT_SIZE, _DEFAULT_RATE = (1000, 1000), 24
_LATER = (float(np.float32(0.1)), float(np.float32(0.2)))
"""Versions after 0.0, as stored (rounded to float32)."""
_HEADER_START = struct.Struct("<fHHHH")
"""Version; the frame's width, height and depth; the number of components."""


def is_pose(path: Path) -> bool:
    """Whether a file starts like a `.pose` file: with a version (maybe 0.0), a frame size and components."""
    with as_corpus_error(path), open_source(path) as stream:
        head = stream.read(_HEADER_START.size)
    return _version(head) is not None and any(head)


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a recording's points; of several people, the one with the most confidence in each frame."""
    from pose_format.utils.reader import BufferReader

    (path,) = clip.files
    with as_corpus_error(path), _truncation_named(path):
        content = _content(path)
        header, start = _header(content)
        num_frames, rate = _num_frames_and_rate(header, content, start, report)
        check_frames(num_frames, path, most=MAX_POSE_FRAMES)
        indices = part_indices(header.components, path, report)
        keypoints = np.zeros((num_frames, NUM_RAW_JOINTS, 3))
        if num_frames and _version(content) == 0:
            reader = BufferReader(content)
            reader.read_offset = start
            people_of_frames = _people_of_version_0(header, reader, indices)
        else:
            people_of_frames = _people(header, content, start, num_frames, indices)
        one = OnePerson(report)
        for index, people in zip(range(num_frames), people_of_frames, strict=False):
            if (chosen := one.choose(list(people))) is not None:
                keypoints[index, indices.coco] = chosen
    stated = header.dimensions.width, header.dimensions.height
    size = chosen_size(clip.name, stated if min(stated) >= 2 else None, options, report)
    if stated == _DEFAULT_SIZE:
        rate = math.nan if rate == _DEFAULT_RATE else rate
        if options.image_size is None:
            report.find(DEFAULT_SIZE, clip.name)
    check_pixels(keypoints, path)
    return RawClip.of(
        keypoints,
        size or stated_size(path, None),
        clip.name,
        frame_rate=rate,
        highest_confidence=indices.highest_confidence,
    )


def _header(content: bytes) -> "tuple[PoseHeader, int]":
    """Return the header, and where it ends."""
    from pose_format.pose_header import PoseHeader
    from pose_format.utils.reader import BufferReader

    reader = BufferReader(content[:MAX_HEADER_BYTES])
    try:
        header = PoseHeader.read(reader)
    except (struct.error, TypeError):  # TypeError: NumPy, for a buffer that is too short
        if len(content) <= MAX_HEADER_BYTES:
            raise
        raise ValueError(f"its header has more than {MAX_HEADER_BYTES} bytes") from None
    _check_header(header)
    return header, reader.read_offset


def _people(
    header: "PoseHeader", content: bytes, start: int, num_frames: int, indices: PartIndices
) -> Iterator[Float64[np.ndarray, "P V 3"]]:
    """Yield the known points of each frame's people, of versions after 0.0."""
    form = _body_start(content)
    _, _, num_people = form.unpack_from(content, start)
    shape = (num_frames, num_people, header.total_points())
    numbers = np.frombuffer(content, "<f4", offset=start + form.size)
    positions, confidences = np.split(numbers, [math.prod(shape) * header.num_dims()])
    confidences = confidences.reshape(shape)
    for frame, confidence in zip(positions.reshape(*shape, header.num_dims()), confidences, strict=True):
        found = frame[:, indices.points, :2], confidence[:, indices.points, None]
        yield as_float64(np.concatenate(found, axis=2))


def _people_of_version_0(
    header: "PoseHeader", reader: "BufferReader", indices: PartIndices
) -> Iterator[Float64[np.ndarray, "P V 3"]]:
    """Yield the known points of each frame's first person; of no person, all zeros."""
    from pose_format.numpy import NumPyPoseBody  # light: imports little more than NumPy's masked arrays

    body = NumPyPoseBody.read(header, reader)
    for frame, confidence in zip(body.data.data, body.confidence, strict=True):
        found = frame[:, indices.points, :2], confidence[:, indices.points, None]
        yield as_float64(np.concatenate(found, axis=2))


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
    if len(header.components) > MAX_COMPONENTS:
        raise ValueError(f"it has {len(header.components)} components; the limit is {MAX_COMPONENTS}")
    if not 0 < header.total_points() <= MAX_POINTS:
        raise ValueError(f"it has {header.total_points()} points; the limit is 1 to {MAX_POINTS}")


def _body_start(content: bytes) -> struct.Struct:
    """Frame rate, frames and people, of versions after 0.0."""
    return struct.Struct("<HHH" if _version(content) == _LATER[0] else "<fIH")


def _num_frames_and_rate(
    header: "PoseHeader", content: bytes, start: int, report: ReadReport
) -> tuple[int, float]:
    """Return the number of frames, after checking it against the file's length, and the frame rate."""
    if _version(content) == 0:
        return _count_frames_of_version_0(header, content, start, report)
    form = _body_start(content)
    rate, num_frames, num_people = form.unpack_from(content, start)
    present = len(content) - start - form.size
    bytes_of_frame = num_people * header.total_points() * (header.num_dims() + 1) * 4
    if _version(content) == _LATER[0]:
        num_frames = _counted_frames(num_frames, present, bytes_of_frame)
    _check_length(num_frames * bytes_of_frame, present)
    _check_people(num_people)
    return (int(num_frames), float(rate)) if num_people and num_frames else (0, math.nan)


def _counted_frames(stated: int, present: int, bytes_of_frame: int) -> int:
    """Return the number of frames of version 0.1, which states only its last 16 bits."""
    counted = present // bytes_of_frame if bytes_of_frame else stated
    return counted if counted * bytes_of_frame == present and counted % 2**16 == stated else stated


def _count_frames_of_version_0(
    header: "PoseHeader", content: bytes, start: int, report: ReadReport
) -> tuple[int, float]:
    """Count the frames of version 0.0, which states the number of people in each frame.

    The library reads only the first person.
    """
    rate, num_frames = struct.unpack_from("<HH", content, start)
    bytes_of_person = 2 + sum(len(part.points) * len(part.format) * 4 for part in header.components)
    offset, num_in_all = start + 4, 0
    for _ in range(num_frames):
        (num_people,) = struct.unpack_from("<H", content, offset)
        offset += 2 + num_people * bytes_of_person
        num_in_all += num_people
        if num_people > 1:
            report.frames_of_several_people += 1
            report.note("In .pose files of version 0.0, only the first person of each frame was read.")
    _check_length(offset, len(content))
    if num_in_all > MAX_PEOPLE_OF_VERSION_0:
        raise ValueError(
            f"it has {num_in_all} people in all frames; the limit of version 0.0 is {MAX_PEOPLE_OF_VERSION_0}"
        )
    return (int(num_frames), float(rate)) if num_frames else (0, math.nan)


def _check_people(num_people: int) -> None:
    if num_people > MAX_PEOPLE:
        raise ValueError(f"it has {num_people} people in a frame; the limit is {MAX_PEOPLE}")


def _check_length(promised: int, present: int) -> None:
    if promised != present:
        raise ValueError(f"its header states {promised} bytes, but it has {present}")


LAYOUT = ClipFormat(FORMAT, read_clip)
