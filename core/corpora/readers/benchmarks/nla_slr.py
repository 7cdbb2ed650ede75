"""Reader of NLA-SLR's packs: `keypoints_*.pkl` with all clips, beside `train.pkl`, `dev.pkl`, `test.pkl`.

The pack is a dict from a clip's name to its keypoints (T, 133, 3) in pixels, or to a dict with `keypoints`.
The lists hold dicts with `name` and `label`. The pack is loaded into memory.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.corpora.readers.benchmarks.annotations import NAMES, NLA, NSLT, read_annotations, validate_records
from core.corpora.readers.benchmarks.clip_places import note_unlisted
from core.corpora.readers.benchmarks.clips import apply_listing, with_profile
from core.corpora.readers.benchmarks.listed_clips import (
    ListedClip,
    check_labels,
    select_clips,
    skip_without_pose,
    without_repeats,
)
from core.corpora.readers.formats.pose_pickle import pose_of
from core.corpora.readers.raw_clip import OpenedSource, RawClip, ReadOptions, Unreadable
from core.corpora.readers.untrusted.safe_pickle import load_pickle
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES
from core.errors import CorpusError, PoseError
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "nla_slr"

_LISTS = {f"{name}.pkl": split for name, split in SPLIT_NAMES.items()}
_CLASSES = "MSASL_classes.json"
_KEYPOINTS = "keypoint"
_PART = re.compile(r"(.+?)_rank\d.*\.pkl")
_CLIPS_AT_ONCE = 32


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such a pack and a list."""
    return any(map(_is_list, files)) and any(map(_is_pack, files))


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the listed clips; clips without keypoints are skipped and counted.

    Raises:
        CorpusError: an invalid pack or list, lists of several packs, a clip in two packs or with two labels,
            or a selected class or clip that is missing.
    """
    lists = _lists_of_one_pack(files)
    clips, num_augmented = _listed(lists, _class_numbers(lists[0].parent, files, options.benchmark.classes))
    if num_augmented:
        report.note(f"{num_augmented} augmented copies in the lists were skipped.")
    packs = _without_parts([path for path in files if _is_pack(path)], report)
    options = with_profile(options, folder, packs[0].parent, report)
    check_labels(clips, options.benchmark)
    wanted = without_repeats(select_clips(clips, options.benchmark, report), report)
    poses = _merged(packs)
    listed = {clip.name for clip in clips}
    note_unlisted([name for name in poses if name not in listed], report)
    return _source(wanted, poses, packs[0], options, report)


def open_pack(
    path: Path, poses: Mapping[object, object], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open a pack without lists: its clips have names, but no labels."""
    clips = [ListedClip(str(name), ()) for name in poses]
    named = {str(name): pose for name, pose in poses.items()}
    options = with_profile(options, path.parent, path, report)
    return _source(select_clips(clips, options.benchmark, report), named, path, options, report)


@dataclass(frozen=True)
class PackPiece:
    """A few clips of a pack in memory; `path` is named in errors."""

    clips: tuple[ListedClip, ...]
    poses: Mapping[str, object]
    path: Path
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips; `Unreadable` for invalid keypoints."""
        for clip in self.clips:
            try:
                pose = pose_of(self.poses[clip.name], self.path, report)
                yield apply_listing(pose.as_clip(clip.name, self.options, report), clip)
            except (CorpusError, PoseError) as error:
                yield Unreadable(clip.name, str(error))


def _source(
    clips: Sequence[ListedClip],
    poses: Mapping[str, object],
    path: Path,
    options: ReadOptions,
    report: ReadReport,
) -> OpenedSource:
    for clip in clips:
        if clip.name not in poses:
            skip_without_pose(clip, f"no keypoints in {path.name}", report)
    found = [clip for clip in clips if clip.name in poses]
    pieces = (
        PackPiece(tuple(found[first : first + _CLIPS_AT_ONCE]), poses, path, options)
        for first in range(0, len(found), _CLIPS_AT_ONCE)
    )
    return OpenedSource(FORMAT, len(clips), pieces, options.profile, report, published_split=True)


def _is_pack(path: Path) -> bool:
    return path.suffix == ".pkl" and (_KEYPOINTS in path.name or _KEYPOINTS in path.parent.name)


def _is_list(path: Path) -> bool:
    return path.name in _LISTS and not _is_pack(path)


def _lists_of_one_pack(files: Sequence[Path]) -> list[Path]:
    lists: dict[str, Path] = {}
    for path in filter(_is_list, files):
        if (other := lists.setdefault(_LISTS[path.name], path)) != path:
            raise CorpusError(
                f"{other} and {path} both list clips for {_LISTS[path.name]}. Keep one, and import each "
                "benchmark's folder separately."
            )
    first, *more = lists.values()
    if elsewhere := next((path for path in more if path.parent != first.parent), None):
        raise CorpusError(
            f"{first} and {elsewhere} belong to different packs. Import each folder separately."
        )
    return [first, *more]


def _listed(lists: Sequence[Path], numbers: Mapping[str, int] | None) -> tuple[list[ListedClip], int]:
    """Return the listed clips and the number of augmented copies; `numbers` are by clip name or by label."""
    clips, num_augmented = [], 0
    for path in lists:
        for entry in validate_records(load_pickle(path), NLA, path):
            if "augmentation" in entry.video_file:
                num_augmented += 1
                continue
            label = str(entry.label)
            number = None if numbers is None else numbers.get(entry.name, numbers.get(label))
            if numbers is None or number is not None:
                clips.append(ListedClip(entry.name, (entry.name,), _LISTS[path.name], number, label))
    if not clips:
        raise CorpusError(f"{lists[0]} and the lists beside it have no clip of the selected classes.")
    return clips, num_augmented


def _class_numbers(folder: Path, files: Sequence[Path], num_classes: int | None) -> Mapping[str, int] | None:
    """Return class numbers by MS-ASL label or by WLASL clip name of the subset; None without a subset."""
    if num_classes is None:
        return None
    if folder / _CLASSES in files:
        names = read_annotations(folder / _CLASSES, NAMES)
        return {name: number for number, name in enumerate(names)}
    subset = next((folder / name for name in _subset_names(num_classes) if folder / name in files), None)
    if subset is None:
        raise CorpusError(
            f"benchmark_classes (--classes) is {num_classes}, but the classes are unknown: {folder} has "
            f"neither {_CLASSES} nor WLASL's {num_classes}.json. Add one of them."
        )
    return {name: entry.action[0] for name, entry in read_annotations(subset, NSLT).items()}


def _subset_names(num_classes: int) -> tuple[str, str]:
    return f"{num_classes}.json", f"nslt_{num_classes}.json"


def _without_parts(packs: Sequence[Path], report: ReadReport) -> list[Path]:
    """Remove part files of the extractor's processes (`*_rank<n>*.pkl`) if the complete pack exists."""
    found = ((path, _PART.fullmatch(path.name)) for path in packs)
    wholes = {path: path.with_name(f"{part[1]}.pkl") for path, part in found if part}
    parts = [path for path, whole in wholes.items() if whole in packs]
    if parts:
        report.note(
            f"{len(parts)} parts of packs were not read (for example {parts[0].name}), because the complete "
            f"pack was found ({wholes[parts[0]].name})."
        )
    return [path for path in packs if path not in parts]


def _merged(packs: Sequence[Path]) -> dict[str, object]:
    poses: dict[str, object] = {}
    for path in packs:
        value = load_pickle(path)
        if not isinstance(value, dict):
            raise CorpusError(
                f"{path} must hold a dict from clip names to keypoints; got a {type(value).__name__}."
            )
        for name, pose in value.items():
            if str(name) in poses:
                raise CorpusError(f"Clip {str(name)!r} of {path} is also in another pack. Keep one of them.")
            poses[str(name)] = pose
    return poses
