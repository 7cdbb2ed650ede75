"""Folders named train, val or test are splits, not glosses; folders such as `poses` are neither."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from core.corpora.findings import NUM_EXAMPLES, Evidence, FindingKind
from core.corpora.readers.clip_files import ClipFiles
from core.corpora.source import ReadReport
from core.corpora.split_names import canonical_split_name, is_split_name

GLOSS_LIKE_SPLIT = FindingKind(
    "gloss-named-like-split",
    "{clips} are in a folder that is named like a split (for example {example}), but not all clips are in "
    "folders named train, val or test at that depth. If these folders are splits, name all of them so. If "
    "they are glosses, state the glosses in a table (labels.csv).",
    refused_above=0,
)
_NO_GLOSSES = frozenset(
    [
        "poses",
        "pose",
        "posefiles",
        "keypoints",
        "landmarks",
        "skeletons",
        "skeleton",
        "joints",
        "npz",
        "npy",
        "json",
        "pkl",
        "pickle",
        "pickles",
        "parquet",
        "csv",
        "data",
        "dataset",
        "clips",
        "clip",
        "videos",
        "video",
        "files",
        "frames",
        "raw",
        "output",
        "outputs",
        "results",
        "openpose",
        "mediapipe",
        "mmpose",
        "dwpose",
        "rtmpose",
        "holistic",
    ]
)
"""Names of folders, in lower case and without other signs, that say what files are, not what they mean."""
_NO_LETTERS = re.compile(r"[\W\d_]+")

Folders = tuple[str, ...]


def in_split_folders(clips: Sequence[ClipFiles], report: ReadReport) -> list[ClipFiles]:
    """Read splits from the names of folders, if at one depth all clips are in folders of splits.

    The gloss is then the name of the next folder around the clip, if there is one.
    """
    folders = [_folders(clip) for clip in clips]
    depth = _depth_of_splits(folders)
    if depth is None:
        return list(clips)
    report.note("Folders named like splits (train, val, test) were read as splits.")
    return [_divided(clip, parts, depth) for clip, parts in zip(clips, folders, strict=True)]


def with_glosses_of_folders(clips: Sequence[ClipFiles], report: ReadReport) -> list[ClipFiles]:
    """Take the gloss from the innermost folders that are neither splits nor, for all clips, called `poses`.

    The report says which folders were not read.
    """
    folders = [_folders(clip) for clip in clips]
    depth = _depth_of_splits(folders)
    if depth is not None:
        folders = [parts[:depth] + parts[depth + 1 :] for parts in folders]
    while (name := _only(parts[-1:] for parts in folders)) and _letters(name[0]) in _NO_GLOSSES:
        report.note(f"The folder {name[0]!r} is around all clips, so its name was not read as a gloss.")
        folders = [parts[:-1] for parts in folders]
    if len(clips) > 1 and (name := _only(parts[-1:] for parts in folders)):
        report.note(
            f"All clips have the gloss {name[0]!r}, because they are in folders of one name. If it is no "
            "gloss, put the clips of each sign into a folder, or add a table (labels.csv)."
        )
    if _only(parts[:-1] for parts in folders) is None and any(len(parts) > 1 for parts in folders):
        example = max(folders, key=len)
        report.note(
            f"Of several folders around a clip the innermost one is its gloss, {example[-1]!r} of "
            f"{'/'.join(example)!r}; the others were not read."
        )
    return [
        replace(clip, label=parts[-1] if parts else None) for clip, parts in zip(clips, folders, strict=True)
    ]


def note_folders_like_splits(clips: Sequence[ClipFiles], report: ReadReport) -> None:
    """Report folders that are named like splits and were not read as such."""
    folders = [_folders(clip) for clip in clips]
    read = _depth_of_splits(folders)
    found = [
        clip.name
        for clip, parts in zip(clips, folders, strict=True)
        if any(is_split_name(part) for depth, part in enumerate(parts) if depth != read)
    ]
    found = found or ([clip.name for clip in clips] if read is None and _seem_split(folders) else [])
    if found:
        report.find_many(Evidence(GLOSS_LIKE_SPLIT, len(found), examples=found[:NUM_EXAMPLES]))


def split_word(name: str) -> str | None:
    """Return the split that one of the words of a name means, as of `train_set-000`; None if none does."""
    words = re.findall(r"[^\W\d_]+", name)
    return next((canonical_split_name(word) for word in words if is_split_name(word)), None)


def _seem_split(folders: Sequence[Folders]) -> bool:
    """Whether at one depth all names have a word for a split, and not all the same: train_set, test_set."""
    depths = range(min(map(len, folders), default=0))
    levels = ({split_word(parts[depth]) for parts in folders} for depth in depths)
    return any(None not in words and len(words) > 1 for words in levels)


def _folders(clip: ClipFiles) -> Folders:
    return PurePosixPath(clip.name).parts[:-1]


def _only(values: Iterable[Folders]) -> Folders | None:
    """Return the one value of all; None if there are several or none."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _letters(name: str) -> str:
    return _NO_LETTERS.sub("", name).casefold()


def _depth_of_splits(folders: Sequence[Folders]) -> int | None:
    shallowest = min(map(len, folders), default=0)
    return next((depth for depth in range(shallowest) if all(is_split_name(p[depth]) for p in folders)), None)


def _divided(clip: ClipFiles, parts: Folders, depth: int) -> ClipFiles:
    others = parts[:depth] + parts[depth + 1 :]
    return replace(clip, label=others[-1] if others else None, split=parts[depth])
