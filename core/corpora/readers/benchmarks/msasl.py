"""Reader of MS-ASL's official annotations, `MSASL_<split>.json` and `MSASL_classes.json`, beside pose files.

MS-ASL's clips have no names. Here clips of `MSASL_train.json` are named `train_00000` and so on by position.
A pose file may also be named `<YouTube id>_<start>_<end>`, if the annotation has the video's URL.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from core.corpora.readers.benchmarks.annotations import MSASL, NAMES, MsaslEntry, read_annotations
from core.corpora.readers.benchmarks.clips import open_listed
from core.corpora.readers.benchmarks.listed_clips import ListedClip
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES, TEST, TRAIN, VAL
from core.errors import CorpusError
from core.pose.normalise import PROFILES

FORMAT: Final = "msasl"
CLASSES = "MSASL_classes.json"

_NUM_CHARACTERS = 40

_LIST = re.compile(r"MSASL_(train|val|test)(?![a-z]).*\.json")
_VIDEO_ID = re.compile(r"(?:v=|youtu\.be/|embed/)([\w-]{11})")


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has MS-ASL's annotation files."""
    return any(_LIST.fullmatch(path.name) for path in files)


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the annotated clips; clips without a pose file are skipped and counted.

    Raises:
        CorpusError: invalid annotations, several annotation files for a split, or no pose file at all.
    """
    names = next((read_annotations(path, NAMES) for path in files if path.name == CLASSES), [])
    clips, others = [], []
    for split, path in _lists(files).items():
        entries = read_annotations(path, MSASL)
        clips += [_listed(split, number, entry, names) for number, entry in enumerate(entries)]
        others += [entry for entry in entries if _gloss(entry, names) != entry.text]
    options = options if options.profile_is_stated else replace(options, profile=PROFILES[FORMAT])
    if others:
        report.note(
            f"{len(others)} clips have another gloss in {CLASSES} than their own text (for example "
            f"{_gloss(others[0], names)[:_NUM_CHARACTERS]!r} and {others[0].text[:_NUM_CHARACTERS]!r}): that "
            f"of {CLASSES} was used. If it belongs to another list, remove it."
        )
    return open_listed(FORMAT, clips, folder, files, options, report)


def _lists(files: Sequence[Path]) -> dict[str, Path]:
    lists: dict[str, Path] = {}
    for path in files:
        if (found := _LIST.fullmatch(path.name)) is None:
            continue
        if found[1] in lists:
            raise CorpusError(f"{lists[found[1]]} and {path} are both MS-ASL's {found[1]} list. Keep one.")
        lists[found[1]] = path
    return {split: lists[split] for split in (TRAIN, VAL, TEST) if split in lists}


def _listed(split: str, number: int, entry: MsaslEntry, names: Sequence[str]) -> ListedClip:
    name = f"{split}_{number:05d}"
    return ListedClip(
        name=name,
        places=(
            name,
            f"{split}_{number}",
            f"{split}/{number:05d}",
            f"{split}/{number}",
            _stretch(entry) or name,
        ),
        split=SPLIT_NAMES[split],
        class_index=entry.label,
        label=_gloss(entry, names),
        signer=None if entry.signer_id is None or entry.signer_id < 0 else str(entry.signer_id),
        image_size=_size(entry),
    )


def _gloss(entry: MsaslEntry, names: Sequence[str]) -> str:
    return names[entry.label] if entry.label < len(names) else entry.text


def _stretch(entry: MsaslEntry) -> str | None:
    video = _VIDEO_ID.search(entry.url or "")
    return f"{video[1]}_{entry.start}_{entry.end}" if video else None


def _size(entry: MsaslEntry) -> tuple[int, int] | None:
    if entry.width is None or entry.height is None or not 2 <= min(entry.width, entry.height) < 1e6:
        return None
    return round(entry.width), round(entry.height)
