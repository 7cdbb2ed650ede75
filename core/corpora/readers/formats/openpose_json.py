"""Reader of OpenPose's JSON, one file per frame (`--write_json`). See docs/reference/formats.md."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from core.corpora.readers.checks.people import OnePerson
from core.corpora.readers.checks.pixels import check_pixels, stated_size
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.frame_order import files_in_order
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.untrusted.clip_size import check_frames, check_people
from core.corpora.readers.untrusted.json_file import (
    is_object,
    numbers,
    preview,
    read_json,
)
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS, LEFT_HAND, NUM_HAND_JOINTS, RIGHT_HAND, TRUNK
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "openpose_json"
TRUNK_BODY_POINTS = (0, 5, 6, 7, 2, 3, 4)
"""Nose; left shoulder, elbow, wrist; right shoulder, elbow, wrist; the same in BODY_25 and COCO_18."""

_BODY_SIZES = (25, 18)
_BODY = ("pose_keypoints_2d", "pose_keypoints")
_HANDS = (
    (LEFT_HAND, ("hand_left_keypoints_2d", "hand_left_keypoints")),
    (RIGHT_HAND, ("hand_right_keypoints_2d", "hand_right_keypoints")),
)
_COCO = np.array(COCO_WHOLEBODY_JOINTS)
_FRAME_NAME = re.compile(r"(?P<clip>.*?)_?(?P<number>\d+)(_keypoints)?", re.DOTALL)
_SECONDS = re.compile(r"(?P<clip>)(?P<number>\d+\.\d+)(_keypoints)?")
_NUMBER = re.compile(r"\d+")


def fits(document: object) -> bool:
    """Whether a JSON document is a frame of OpenPose."""
    return is_object(document) and isinstance(document.get("people"), list)


def group_frames(folder: Path, files: Sequence[Path]) -> list[ClipFiles]:
    """Group files into clips: folders of frames, or files `<clip>_<number>_keypoints.json` in one folder.

    If any folder holds frames with two different names, clips are grouped by name, and folders are signs.
    Otherwise each folder is a clip in the folder of its sign. Files without a frame number are ignored: they
    are added to the first clip, and reading it notes them in the report.

    Raises:
        CorpusError: no file has a frame number, or the numbers that vary are not at the end of the names.
    """
    named = sorted(_frames_among(files), key=lambda path: (path.parent, _clip_name(path)))
    together = [
        (parent, clip, tuple(frames))
        for (parent, clip), frames in groupby(named, key=lambda path: (path.parent, _clip_name(path)))
    ]
    by_name = len({parent for parent, _, _ in together}) < len(together)
    if by_name:
        _check_names(together)
    first, *others = [(_of_name if by_name else _of_folder)(folder, *clip) for clip in together]
    return [replace(first, files=(*first.files, *sorted(set(files).difference(named)))), *others]


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a clip's frames in the order of their numbers; gaps are closed and counted."""
    frames = _frames_among(clip.files)
    if len(frames) < len(clip.files):
        report.note("JSON files without a frame number at the end of the name were not read.")
    check_frames(len(frames), frames[0].parent)
    size = stated_size(frames[0], options.image_size)
    ordered = files_in_order(frames, report)
    one = OnePerson(report)
    keypoints = np.stack([_frame(path, one) for path in ordered])
    check_pixels(keypoints, ordered[0])
    return RawClip.of(keypoints, size, clip.name)


def _frame(path: Path, one: OnePerson) -> Float64[np.ndarray, "133 3"]:
    document = read_json(path)
    people = document.get("people") if is_object(document) else None
    if not isinstance(people, list):
        raise CorpusError(
            f"{path} is not a frame of OpenPose: it has no list 'people'; got {preview(document)}."
        )
    check_people(len(people), path)
    chosen = one.choose([_person(person, path) for person in people], _tracks(people))
    return np.zeros((NUM_RAW_JOINTS, 3)) if chosen is None else chosen


def _tracks(people: list[object]) -> list[Hashable]:
    """The ids that OpenPose's tracker gives people; it writes [-1] where it did not run."""
    ids = [person.get("person_id") if is_object(person) else None for person in people]
    return [known[0] if isinstance(known, list) and known and known != [-1] else None for known in ids]


def _person(person: object, path: Path) -> Float64[np.ndarray, "133 3"]:
    if not is_object(person):
        raise CorpusError(f"{path}: 'people' must be a list of objects; got {preview(person)}.")
    keypoints = np.zeros((NUM_RAW_JOINTS, 3))
    body = _points(person, _BODY, _BODY_SIZES, path)
    if body is not None:
        keypoints[_COCO[TRUNK]] = body[list(TRUNK_BODY_POINTS)]
    for hand, names in _HANDS:
        points = _points(person, names, (NUM_HAND_JOINTS,), path)
        if points is not None:
            keypoints[_COCO[hand]] = points
    return keypoints


def _points(
    person: dict[str, object], names: Sequence[str], sizes: Sequence[int], path: Path
) -> Float64[np.ndarray, "V 3"] | None:
    """Return points of x, y, confidence; None if the file does not have them."""
    name = next((name for name in names if person.get(name)), None)
    if name is None:
        return None
    values = numbers(person[name], path=path, name=name)
    if values.ndim != 1 or values.size not in [3 * size for size in sizes]:
        raise CorpusError(
            f"{path}: {name!r} must be {' or '.join(str(3 * size) for size in sizes)} numbers (x, y and "
            f"confidence of {' or '.join(map(str, sizes))} points); got {values.size}."
        )
    return values.reshape(-1, 3)


def _check_names(together: Sequence[tuple[Path, str, tuple[Path, ...]]]) -> None:
    """Reject names of which an earlier number counts the frames, so that each frame would be a clip.

    That is `frame_3_of_30`: single frames whose clips are called alike, and whose last number is the same. Or
    it is `rec_0.96`: names that differ in the whole part of a decimal number.
    """
    alike: dict[tuple[Path, str], list[tuple[str, tuple[Path, ...]]]] = {}
    for parent, clip, frames in together:
        alike.setdefault((parent, _NUMBER.sub("#", clip)), []).append((clip, frames))
    for (_, pattern), clips in alike.items():
        last = {_named(path)["number"] for _, frames in clips for path in frames}
        single = all(len(frames) == 1 for _, frames in clips)
        if len(clips) > 1 and ((single and len(last) == 1 and pattern) or pattern.endswith("#.")):
            first, second = clips[0][1][0], clips[1][1][0]
            raise CorpusError(
                f"{first} and {second.name} would be frames of two clips, because their names differ before "
                "the last number. Name frames <clip>_<number>, and count with whole numbers."
            )


def _of_name(folder: Path, parent: Path, clip: str, frames: tuple[Path, ...]) -> ClipFiles:
    inside = parent.relative_to(folder)
    return ClipFiles(str(inside / clip), frames, inside.parts[-1] if inside.parts else None)


def _of_folder(folder: Path, parent: Path, clip: str, frames: tuple[Path, ...]) -> ClipFiles:
    inside = parent.relative_to(folder)
    if not inside.parts:
        unpacked = folder.name.startswith(".")  # a temporary folder, whose name changes
        return ClipFiles(clip or ("clip" if unpacked else folder.name), frames)
    return ClipFiles(str(inside), frames, inside.parts[-2] if len(inside.parts) > 1 else None)


def _frames_among(files: Sequence[Path]) -> list[Path]:
    frames = [path for path in files if _FRAME_NAME.fullmatch(path.stem)]
    if not frames:
        raise CorpusError(f"{files[0]} has no frame number in its name.")
    return frames


def _clip_name(path: Path) -> str:
    return _named(path)["clip"]


def _named(path: Path) -> re.Match[str]:
    match = _SECONDS.fullmatch(path.stem) or _FRAME_NAME.fullmatch(path.stem)
    assert match is not None
    return match


LAYOUT = ClipFormat(FORMAT, read_clip, group_frames, frames_apart=True, states_size=False)
