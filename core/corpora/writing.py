"""Write a packed corpus clip by clip, in bounded memory and atomically."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np

from core.corpora.header import (
    HEADER_FILE,
    ArrayEntry,
    ArrayName,
    CorpusHeader,
    array_layout,
    content_digest,
    file_digest,
)
from core.corpora.packed import PackedCorpus
from core.corpora.readers.untrusted.naming import escaped
from core.corpora.source import SourceClip
from core.corpora.splits import ClipFacts, Split, assign_splits
from core.errors import CorpusError
from core.program.heartbeat import Heartbeat
from core.program.in_background import in_background
from core.specs.import_jobs import SplitConfig

MAX_NAME_BYTES = 255
PARTIAL_SUFFIX = ".partial"

Provenance = Mapping[str, object] | Callable[[], Mapping[str, object]]
"""The origin of the corpus, written to its header; a function is called after all clips are written."""

Inspection = Callable[[ClipFacts], None]

_NPY_HEADER_BYTES = 128


def write_corpus(
    path: Path,
    clips: Iterable[SourceClip],
    *,
    name: str,
    split: SplitConfig,
    provenance: Provenance,
    published_split: bool = False,
    inspect: Inspection = lambda _: None,
    heartbeat: Heartbeat = lambda: None,
) -> PackedCorpus:
    """Write clips as a packed corpus at `path` and open it.

    All files are written to a hidden folder beside `path`, synced to disk, and the folder is then renamed.
    So `path` never holds an incomplete corpus. Labels, signers and sessions are numbered in the order of
    their names. A `published_split` is a benchmark's own (see `core.corpora.splits`). `inspect` is called
    with the facts of all clips, before `provenance`. `heartbeat` is called while files are synced and hashed,
    and may raise to stop.

    Raises:
        CorpusError: there are no clips, or `path` exists already.
        SplitError: the split leaks, or a split made here leaves one side empty.
    """
    if path.exists():
        raise CorpusError(f"{path} already exists. Choose another path, or remove it.")
    partial = path.with_name(f".{path.name}.{uuid4().hex}{PARTIAL_SUFFIX}")
    partial.mkdir(parents=True)
    try:
        _write(partial, clips, name, split, provenance, published_split, inspect, heartbeat)
        os.rename(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync(path.parent)
    return PackedCorpus.open(path)


@dataclass
class _ClipRecords:
    """Metadata of all clips, kept in memory; frames are written to disk."""

    names: list[bytes] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    signers: list[str | None] = field(default_factory=list)
    sessions: list[str | None] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)

    def add(self, source: SourceClip, frames: bytes) -> None:
        self.names.append(escaped(source.name).encode()[-MAX_NAME_BYTES:])
        self.labels.append(_encodable(source.label))
        self.signers.append(_encodable(source.signer))
        self.sessions.append(_encodable(source.session))
        self.splits.append(_encodable(source.split))
        self.lengths.append(len(source.clip))
        self.contents.append(hashlib.sha256(frames).digest())


def _write(
    folder: Path,
    clips: Iterable[SourceClip],
    name: str,
    split: SplitConfig,
    provenance: Provenance,
    published_split: bool,
    inspect: Inspection,
    heartbeat: Heartbeat,
) -> None:
    gathered = _stream_frames(folder, clips)
    if not gathered.lengths:
        raise CorpusError(f"Corpus {name!r} would have no clips. Check that the source has usable clips.")
    facts = _facts(gathered)
    inspect(facts)
    divided = in_background(lambda _: assign_splits(facts, split, published=published_split), heartbeat)
    name_width = _write_clip_arrays(folder, gathered, facts, divided)
    entries = in_background(lambda _: _synced_entries(folder), heartbeat)
    name_lists = (facts.label_names, facts.signer_names, facts.session_names, divided.names)
    header = CorpusHeader(
        name=name,
        num_clips=len(gathered.lengths),
        num_frames=sum(gathered.lengths),
        name_width=name_width,
        label_names=facts.label_names,
        signer_names=facts.signer_names,
        session_names=facts.session_names,
        split_names=divided.names,
        arrays=entries,
        digest=content_digest(entries, name_lists),
        provenance=dict(provenance() if callable(provenance) else provenance),
    )
    (folder / HEADER_FILE).write_text(header.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _sync(folder / HEADER_FILE)
    _sync(folder)


def _facts(gathered: _ClipRecords) -> ClipFacts:
    label_names, labels = _numbered(gathered.labels)
    signer_names, signers = _numbered(gathered.signers)
    session_names, sessions = _numbered(gathered.sessions)
    return ClipFacts(
        names=[name.decode(errors="replace") for name in gathered.names],
        labels=labels,
        signers=signers,
        sessions=sessions,
        given=gathered.splits,
        contents=gathered.contents,
        label_names=label_names,
        signer_names=signer_names,
        session_names=session_names,
    )


def _write_clip_arrays(folder: Path, gathered: _ClipRecords, facts: ClipFacts, divided: Split) -> int:
    """Write the arrays that have one entry per clip; return the width of the names in bytes."""
    names = np.array(gathered.names, dtype=f"S{max(map(len, gathered.names)) or 1}")
    arrays = {
        "offsets": np.concatenate([[0], np.cumsum(gathered.lengths)]).astype("<i8"),
        "labels": facts.labels,
        "signers": facts.signers,
        "sessions": facts.sessions,
        "splits": divided.splits,
        "names": names,
    }
    for array, values in arrays.items():
        with (folder / f"{array}.npy").open("wb") as stream:
            _write_npy_header(stream, values.dtype, values.shape)
            stream.write(values.tobytes())
    return names.dtype.itemsize


def _stream_frames(folder: Path, clips: Iterable[SourceClip]) -> _ClipRecords:
    """Append each clip's frames to `points` and `visible`, whose headers are written last."""
    gathered = _ClipRecords()
    points_path, visible_path = folder / "points.npy", folder / "visible.npy"
    with points_path.open("wb") as points, visible_path.open("wb") as visible:
        points.seek(_NPY_HEADER_BYTES)
        visible.seek(_NPY_HEADER_BYTES)
        for source in clips:
            frames = source.clip.points.astype("<f4").tobytes()
            points.write(frames)
            visible.write(source.clip.visible.astype(np.bool_).tobytes())
            gathered.add(source, frames)
        layout = array_layout(1, sum(gathered.lengths), 1)
        for stream, kind in ((points, layout["points"]), (visible, layout["visible"])):
            stream.seek(0)
            _write_npy_header(stream, *kind)
    return gathered


def _numbered(values: list[str | None]) -> tuple[tuple[str, ...], np.ndarray]:
    names = tuple(sorted({value for value in values if value is not None}))
    index: dict[str | None, int] = {name: position for position, name in enumerate(names)}
    return names, np.array([index.get(value, -1) for value in values], dtype="<i4")


def _write_npy_header(stream: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Write a .npy header (version 1.0) of fixed length, so that it can be written after the data."""
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    length = _NPY_HEADER_BYTES - len(np.lib.format.magic(1, 0)) - 2
    text = repr(fields).encode().ljust(length - 1) + b"\n"
    assert len(text) == length
    stream.write(np.lib.format.magic(1, 0) + length.to_bytes(2, "little") + text)


def _encodable(name: str | None) -> str | None:
    """Escape what UTF-8 cannot encode, which file names on disk may hold."""
    return None if name is None else escaped(name)


def _synced_entries(folder: Path) -> dict[ArrayName, ArrayEntry]:
    return {array: _synced_entry(folder / f"{array}.npy") for array in array_layout(1, 1, 1)}


def _synced_entry(path: Path) -> ArrayEntry:
    _sync(path)
    return ArrayEntry(num_bytes=path.stat().st_size, sha256=file_digest(path))


def _sync(path: Path) -> None:
    """Sync a file, or a folder's list of files, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
