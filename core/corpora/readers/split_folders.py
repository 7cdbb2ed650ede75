"""Folders named train, val or test are splits, not glosses."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from core.corpora.findings import NUM_EXAMPLES, Evidence, FindingKind
from core.corpora.readers.clip_files import ClipFiles
from core.corpora.source import ReadReport
from core.corpora.split_names import is_split_name

GLOSS_LIKE_SPLIT = FindingKind(
    "gloss-named-like-split",
    "{clips} have a gloss that is named like a split, from their folder (for example {example}), but not all "
    "clips are in folders of splits. If these folders are splits, put all clips into such folders, at the "
    "same depth. If they are glosses, state the glosses in a table (labels.csv).",
    refused_above=0,
)


def in_split_folders(clips: Sequence[ClipFiles], report: ReadReport) -> list[ClipFiles]:
    """Read splits from the names of folders, if at one depth all clips are in folders of splits.

    The gloss is then the name of the next folder around the clip, if there is one.
    """
    folders = [PurePosixPath(clip.name).parts[:-1] for clip in clips]
    depth = _depth_of_splits(folders)
    if depth is None:
        return list(clips)
    report.note("Folders named like splits (train, val, test) were read as splits.")
    return [_divided(clip, parts, depth) for clip, parts in zip(clips, folders, strict=True)]


def note_glosses_like_splits(clips: Sequence[ClipFiles], report: ReadReport) -> None:
    """Report glosses named like splits."""
    found = [clip.name for clip in clips if clip.label is not None and is_split_name(clip.label)]
    if found:
        report.find_many(Evidence(GLOSS_LIKE_SPLIT, len(found), examples=found[:NUM_EXAMPLES]))


def _depth_of_splits(folders: Sequence[tuple[str, ...]]) -> int | None:
    shallowest = min(map(len, folders), default=0)
    return next((depth for depth in range(shallowest) if all(is_split_name(p[depth]) for p in folders)), None)


def _divided(clip: ClipFiles, parts: tuple[str, ...], depth: int) -> ClipFiles:
    others = parts[:depth] + parts[depth + 1 :]
    return replace(clip, label=others[-1] if others else None, split=parts[depth])
