"""Reader of DSTA-SLR's packs: `<split>_data_joint.npy` (N, 3, T, 27, 1) beside `<split>_label.pkl`.

The 27 joints are SAM-SLR's selection from COCO-WholeBody: nose, shoulders, elbows and wrists, and ten points
of each hand. The other eleven points of each hand are missing. Clips are padded to T frames by repeating them
from their first frame, or with zeros; the padding is removed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.corpora.readers.benchmarks.annotations import NAMES, NUMBERS, validate_records
from core.corpora.readers.benchmarks.clips import apply_listing, with_profile
from core.corpora.readers.benchmarks.listed_clips import ListedClip, numbered_label, select_clips
from core.corpora.readers.checks.pixels import check_pixels
from core.corpora.readers.formats.pose_pickle import Pose
from core.corpora.readers.raw_clip import OpenedSource, RawClip, ReadOptions, Unreadable
from core.corpora.readers.untrusted.clip_size import check_clips, check_frames
from core.corpora.readers.untrusted.npz import npy_rows
from core.corpora.readers.untrusted.safe_pickle import load_pickle
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES, TEST, VAL
from core.errors import CorpusError, PoseError
from core.pose.normalise import NUM_RAW_JOINTS
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "dsta_slr"
JOINTS = (
    *(0, 5, 6, 7, 8, 9, 10),
    *(91, 95, 96, 99, 100, 103, 104, 107, 108, 111),
    *(112, 116, 117, 120, 121, 124, 125, 128, 129, 132),
)
"""For each of the 27 joints, its index among COCO-WholeBody's 133."""

_DATA = re.compile(r"(train|val|dev|test)_data_joint\.npy")
_CLIPS_AT_ONCE, _FRAMES_AT_ONCE = 32, 8192
_LONGEST_PADDED = 1000
"""Maximum length of a clip searched for repetitions, in frames; packs have 150."""


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such a pack."""
    return any(_DATA.fullmatch(path.name) for path in files)


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the clips of all splits, in order.

    Raises:
        CorpusError: arrays of the wrong shape, labels that do not match them, or packs in several folders.
    """
    packs = [path for path in files if _DATA.fullmatch(path.name)]
    if len({path.parent for path in packs}) > 1:
        raise CorpusError(
            f"{packs[0]} and {packs[-1]} belong to different packs. Import each folder separately."
        )
    listed = {path: _listed(path, split) for path, split in _splits(packs, report).items()}
    wanted = select_clips([clip for clips in listed.values() for clip in clips], options.benchmark, report)
    options = with_profile(options, folder, packs[0].parent, report)
    report.note(
        "The pack has ten points of each hand, and the arm's wrist. The other eleven points of each hand are "
        "marked as not visible."
    )
    pieces = _pieces(listed, set(wanted), options)
    return OpenedSource(FORMAT, len(wanted), pieces, options.profile, report, published_split=True)


@dataclass(frozen=True)
class PackPiece:
    """Joints of a few clips (K, 3, T, 27, 1), unchanged from the file `path`."""

    clips: tuple[ListedClip, ...]
    joints: np.ndarray
    path: Path
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips as COCO-WholeBody keypoints, without padding."""
        for clip, joints in zip(self.clips, self.joints[..., 0].transpose(0, 2, 3, 1), strict=True):
            with np.errstate(invalid="ignore"):  # no warning for a signalling NaN
                frames = _without_padding(joints)  # (T, 27, 3)
                pose = Pose(_keypoints(frames))
            if len(frames) < len(joints):
                report.note(f"Padding was removed: clips were padded to {len(joints)} frames.")
            try:
                with np.errstate(invalid="ignore"):
                    check_pixels(pose.keypoints, self.path)
                yield apply_listing(pose.as_clip(clip.name, self.options, report), clip)
            except (CorpusError, PoseError) as error:
                yield Unreadable(clip.name, str(error))


def _pieces(
    listed: dict[Path, list[ListedClip]], wanted: set[ListedClip], options: ReadOptions
) -> Iterator[PackPiece]:
    for path, clips in listed.items():
        with npy_rows(path) as rows:
            at_once = max(1, min(_CLIPS_AT_ONCE, _FRAMES_AT_ONCE // max(1, rows.shape[2])))
            for first in range(0, len(clips), at_once):
                some = clips[first : first + at_once]
                joints = rows.read(len(some))
                kept = [index for index, clip in enumerate(some) if clip in wanted]
                yield PackPiece(tuple(some[index] for index in kept), joints[kept], path, options)


def _splits(packs: Sequence[Path], report: ReadReport) -> dict[Path, str]:
    """Return each array's split: the one in its name, but `test` for `val_*` if there is no `test_*`."""
    splits = {path: SPLIT_NAMES[_split_name(path)] for path in packs}
    if TEST in splits.values() or VAL not in splits.values():
        return splits
    tested = ", ".join(path.name for path, split in splits.items() if split == VAL)
    report.note(
        f"There is no test_data_joint.npy, so the clips of {tested} are the split {TEST!r}, on which "
        f"DSTA-SLR's scores are measured. To import them as {VAL!r}, add the files of the test clips."
    )
    return {path: TEST if split == VAL else split for path, split in splits.items()}


def _split_name(path: Path) -> str:
    return path.name.removesuffix("_data_joint.npy")


def _listed(path: Path, split: str) -> list[ListedClip]:
    """Read an array's label file, with one clip for each row of the array."""
    with npy_rows(path) as rows:
        shape, kind = rows.shape, rows.dtype.kind
    if len(shape) != 5 or (shape[1], *shape[3:]) != (3, len(JOINTS), 1) or kind != "f":
        raise CorpusError(
            f"{path} must hold floating-point numbers of shape (clips, 3, frames, {len(JOINTS)}, 1); got "
            f"{shape}."
        )
    check_clips(shape[0], path)
    check_frames(shape[2], path)
    label_path = path.with_name(f"{_split_name(path)}_label.pkl")
    if not label_path.is_file():
        raise CorpusError(f"{label_path.name} is missing beside {path}.")
    value = load_pickle(label_path)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise CorpusError(f"{label_path} must hold a pair (clip names, class numbers).")
    names = validate_records(value[0], NAMES, label_path)
    numbers = validate_records(
        np.ravel(value[1]).tolist() if isinstance(value[1], np.ndarray) else value[1], NUMBERS, label_path
    )
    if not len(names) == len(numbers) == shape[0]:
        raise CorpusError(
            f"{label_path} must have a name and a class number for each of the {shape[0]} clips of "
            f"{path.name}; it has {len(names)} names and {len(numbers)} numbers."
        )
    return [
        ListedClip(name, (name,), split, number, numbered_label(number))
        for name, number in zip(names, numbers, strict=True)
    ]


def _keypoints(frames: np.ndarray) -> np.ndarray:
    """Convert frames (T, 27, 3) to COCO-WholeBody keypoints (T, 133, 3), zeros for missing points."""
    keypoints = np.zeros((len(frames), NUM_RAW_JOINTS, 3))
    keypoints[:, JOINTS] = frames
    return keypoints


def _without_padding(frames: np.ndarray) -> np.ndarray:
    """Remove zero frames at the end of frames (T, 27, 3), and repetitions of the clip."""
    nonzero = np.flatnonzero(frames.any(axis=(1, 2)))
    frames = frames[: nonzero[-1] + 1] if len(nonzero) else frames[:0]
    if len(frames) > _LONGEST_PADDED:
        return frames
    for length in np.flatnonzero((frames[1:] == frames[:1]).all(axis=(1, 2))) + 1:
        if (frames[length:] == frames[:-length]).all():
            return frames[:length]
    return frames
