"""Reader of WebDataset samples: `<key>.pose` or `<key>.pose-dwpose.npz` with `<key>.json`.

A key is a file's path up to the first dot of its name. The JSON object holds what is known of the sample.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.corpora.findings import FindingKind
from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.clip_formats import clip_format_of
from core.corpora.readers.raw_clip import OpenedSource, RawClip, ReadOptions, Unreadable
from core.corpora.readers.split_folders import split_word
from core.corpora.readers.untrusted.json_file import is_object, preview, read_json
from core.corpora.readers.untrusted.naming import listed
from core.corpora.source import ReadReport
from core.corpora.split_names import canonical_split_name, is_split_name
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
_NUMBER_OF_SHARD = re.compile(r"[-_.]?\d+$")
_SEPARATOR = re.compile(r"[-_. ]")
_NUM_NAMED = 5
UNKNOWN_SHARD = FindingKind(
    "gloss-named-like-split",
    "{clips} are in a shard that is named like a split, but is no usual name of one (for example {example}), "
    "so they are in train. End the name of each shard with train, val or test, or state 'split' in the JSON.",
    refused_above=0,
)
_SAMPLES_AT_ONCE = 16


@dataclass(frozen=True)
class Sample:
    """A sample's key below the source's folder, its pose and its JSON; None if it has none."""

    key: str
    pose: Path
    facts: Path | None


def is_layout(files: Sequence[Path]) -> bool:
    """Whether at least half of the poses have a JSON, and the first JSON is an object of metadata."""
    samples = _samples(files)
    with_json = [parts[_JSON] for parts in samples.values() if _JSON in parts]
    if not with_json or 2 * len(with_json) < len(samples):
        return False
    try:
        document = read_json(with_json[0])
    except CorpusError:
        return False
    return is_object(document) and any(name in document for names in _FACTS.values() for name in names)


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the samples; damaged ones are skipped and counted."""
    samples = [
        Sample(str(key.relative_to(folder)), _poses(parts)[0], parts.get(_JSON))
        for key, parts in _samples(files).items()
    ]
    report.note(
        "Glosses, signers and splits were read from the JSON beside each pose, as in WebDataset's samples."
    )
    if without := [sample.key for sample in samples if sample.facts is None]:
        report.note(
            f"{len(without)} of {len(samples)} poses have no JSON beside them, so nothing is known of them: "
            f"{listed(without[:_NUM_NAMED])}{' ...' * (len(without) > _NUM_NAMED)}."
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
    document = {} if sample.facts is None else read_json(sample.facts)
    if not is_object(document):
        raise CorpusError(f"{sample.facts} must be a JSON object of metadata; got {preview(document)}.")
    layout = clip_format_of(sample.pose)
    if layout is None or layout.frames_apart:
        raise CorpusError(f"{sample.pose} is not a pose file of one clip, or is damaged.")
    raw = layout.read(ClipFiles(sample.key, (sample.pose,)), options, report)
    label, signer, session, split = (_first_text(document, names, sample.facts) for names in _FACTS.values())
    split = split or _split_of_shard(sample, report)
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


def _first_text(document: Mapping[str, object], names: Sequence[str], path: Path | None) -> str | None:
    """Return the text of the first field that has one.

    Raises:
        CorpusError: none has, and one has a value of an unknown kind.
    """
    unknown = None
    for name in names:
        try:
            if text := _text(document.get(name)):
                return text
        except ValueError:
            unknown = unknown or name
    if unknown is not None:
        raise CorpusError(
            f"{path}: {unknown!r} must be text, a whole number, a list of these, or an object with "
            f"{', '.join(map(repr, _TEXT_OF_OBJECT))}; got {preview(document[unknown])}."
        )
    return None


def _text(value: object) -> str | None:
    """Return text, a whole number, the words of a list, or the text of an object; None if there is none.

    Raises:
        ValueError: it is something else.
    """
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return " ".join(filter(None, map(_text_of_item, value))) or None
    return _text_of_object(value)


def _text_of_item(item: object) -> str | None:
    if isinstance(item, list):
        raise ValueError("a list within a list")
    return _text(item)


def _text_of_object(value: object) -> str | None:
    if not is_object(value) or (value and not any(name in value for name in _TEXT_OF_OBJECT)):
        raise ValueError("not a text")
    values = [value.get(name) for name in _TEXT_OF_OBJECT]
    if any(isinstance(inner, dict | list) for inner in values):
        raise ValueError("an object within an object")
    return next(filter(None, map(_text, values)), None)


def _split_of_shard(sample: Sample, report: ReadReport) -> str | None:
    """Return the split at the end of the name of the sample's shard, such as `shard_00001-train`."""
    shard = sample.pose.parent.name
    words = _NUMBER_OF_SHARD.sub("", shard)
    starts = [0, *(found.end() for found in _SEPARATOR.finditer(words))]
    ending = next((words[start:] for start in starts if is_split_name(words[start:])), None)
    if ending is None and split_word(shard) is not None:
        report.find(UNKNOWN_SHARD, f"{sample.key}: {shard}")
    return None if ending is None else canonical_split_name(ending)
