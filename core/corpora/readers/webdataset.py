"""Reader of WebDataset samples: `<key>.pose` or `<key>.pose-dwpose.npz` with `<key>.json`.

A key is a file's path up to the first dot of its name. The JSON object holds what is known of the sample.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.clip_formats import clip_format_of
from core.corpora.readers.raw_clip import OpenedSource, RawClip, ReadOptions, Unreadable
from core.corpora.readers.untrusted.json_file import is_object, preview, read_json
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES
from core.errors import CorpusError, PoseError
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "webdataset"

_JSON = "json"
_POSES = (".pose", ".npz")
"""Endings of poses. Of several poses of a sample, that of the first ending here is read."""
_FACTS = {
    "label": ("gloss", "glosses", "label", "sign", "text", "transcripts"),
    "signer": ("signer", "signer_id", "participant_id"),
    "session": ("session",),
    "split": ("split",),
}
_TEXT_OF_OBJECT = ("text", "name", "id")
_SPLIT_OF_SHARD = re.compile(rf"(?:.*[-_.])?({'|'.join(SPLIT_NAMES)})(?:[-_.]?\d+)?", re.IGNORECASE)
_SAMPLES_AT_ONCE = 16


@dataclass(frozen=True)
class Sample:
    """A sample's key below the source's folder, its pose and its JSON."""

    key: str
    pose: Path
    facts: Path


def is_layout(files: Sequence[Path]) -> bool:
    """Whether each pose is in a sample with a JSON, and the first JSON is an object of metadata."""
    samples = _samples(files)
    if not samples or any(_JSON not in sample or not _poses(sample) for sample in samples.values()):
        return False
    try:
        document = read_json(next(iter(samples.values()))[_JSON])
    except CorpusError:
        return False
    return is_object(document) and any(name in document for names in _FACTS.values() for name in names)


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the samples; damaged ones are skipped and counted."""
    samples = [
        Sample(str(key.relative_to(folder)), _poses(parts)[0], parts[_JSON])
        for key, parts in _samples(files).items()
    ]
    report.note(
        "Glosses, signers and splits were read from the JSON beside each pose, as in WebDataset's samples."
    )
    pieces = [
        SamplesPiece(tuple(samples[first : first + _SAMPLES_AT_ONCE]), options)
        for first in range(0, len(samples), _SAMPLES_AT_ONCE)
    ]
    return OpenedSource(FORMAT, len(samples), pieces, options.profile, report, separate_files=True)


@dataclass(frozen=True)
class SamplesPiece:
    """A few samples, read in the process that receives the piece."""

    samples: tuple[Sample, ...]
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips; `Unreadable` for a sample with a damaged file."""
        for sample in self.samples:
            seen = ReadReport()
            try:
                raw = _read(sample, self.options, seen)
            except (CorpusError, PoseError) as error:
                yield Unreadable(sample.key, str(error))
                continue
            report.add(seen)
            yield raw


def _read(sample: Sample, options: ReadOptions, report: ReadReport) -> RawClip:
    document = read_json(sample.facts)
    if not is_object(document):
        raise CorpusError(f"{sample.facts} must be a JSON object of metadata; got {preview(document)}.")
    layout = clip_format_of(sample.pose)
    if layout is None or layout.frames_apart:
        raise CorpusError(f"{sample.pose} is not a pose file of one clip, or is damaged.")
    raw = layout.read(ClipFiles(sample.key, (sample.pose,)), options, report)
    label, signer, session, split = (_first_text(document, names) for names in _FACTS.values())
    split = split or _split_of_shard(sample)
    return replace(raw, label=label, signer=signer, session=session, split=split)


def _samples(files: Sequence[Path]) -> dict[Path, dict[str, Path]]:
    """Group files by key: the files of a sample by their ending. Samples without a pose are left out."""
    found: dict[Path, dict[str, Path]] = {}
    for path in files:
        name, _, ending = path.name.partition(".")
        found.setdefault(path.with_name(name) if name else path, {})[ending] = path
    return {key: parts for key, parts in found.items() if _poses(parts)}


def _poses(parts: Mapping[str, Path]) -> list[Path]:
    return [path for suffix in _POSES for ending, path in sorted(parts.items()) if path.suffix == suffix]


def _first_text(document: Mapping[str, object], names: Sequence[str]) -> str | None:
    return next((text for name in names if (text := _text(document.get(name)))), None)


def _text(value: object) -> str | None:
    """Return text, a whole number, the words of a list, or the text of an object; None for anything else."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value).strip() or None
    if isinstance(value, list):
        value = value[0]
    if is_object(value):
        return next((text for name in _TEXT_OF_OBJECT if isinstance(text := value.get(name), str)), None)
    return None


def _split_of_shard(sample: Sample) -> str | None:
    """Return the split at the end of the name of the sample's shard, such as `shard_00001-train`."""
    found = _SPLIT_OF_SHARD.fullmatch(sample.pose.parent.name)
    return None if found is None else SPLIT_NAMES[found[1].lower()]
