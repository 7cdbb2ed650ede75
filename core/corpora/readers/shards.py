"""Unpack a source: an archive, or a folder of tar files as WebDataset writes them (shards)."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.corpora.folder_files import each_file_below
from core.corpora.readers.clip_formats import CSV, SUFFIXES
from core.corpora.readers.untrusted.npz import as_corpus_error
from core.corpora.readers.untrusted.tar_members import is_tar
from core.corpora.readers.untrusted.unpack import UnpackLimits, is_archive, unpack
from core.source_files import is_source_file
from core.specs.archive_encodings import ArchiveEncoding

_SHARD = ".tar"
_BESIDE = (".json", CSV)
"""Endings of files that may lie beside shards, although other sources have poses in them."""


def must_be_unpacked(source: Path) -> bool:
    """Whether a source is an archive or a folder of shards."""
    return is_archive(source) or bool(_shards_in(source))


def unpack_source(
    source: Path,
    folder: Path,
    *,
    limits: UnpackLimits,
    encoding: ArchiveEncoding | None = None,
    before_chunk: Callable[[], None] = lambda: None,
) -> list[str]:
    """Unpack an archive, and the shards of a folder or an archive, each into a folder of its name.

    Returns notes, as `unpack`. The limits apply to all of it together. `before_chunk` is called before each
    chunk and may raise to stop.

    Raises:
        CorpusError: as `unpack`.
    """
    is_one, notes = is_archive(source), []
    if is_one:
        notes += unpack(source, folder, limits=limits, encoding=encoding, before_chunk=before_chunk)
    root = folder if is_one else source
    for shard in _shards_in(root):
        inside = folder / shard.relative_to(root).with_suffix("")
        left = _what_is_left(limits, folder)
        notes += unpack(shard, inside, limits=left, encoding=encoding, before_chunk=before_chunk)
        if is_one:
            shard.unlink()
    return notes


def _shards_in(folder: Path) -> list[Path]:
    """List the tar files below a folder; none if it has poses itself."""
    if is_source_file(folder) or not folder.is_dir():
        return []
    with as_corpus_error(folder):
        shards = []
        for path in each_file_below(folder, left_out=[]):
            if path.suffix in SUFFIXES and path.suffix not in _BESIDE:
                return []
            if path.suffix == _SHARD and is_tar(path):
                shards.append(path)
        return shards


def _what_is_left(limits: UnpackLimits, folder: Path) -> UnpackLimits:
    num_bytes = num_files = 0
    for parent, folders, names in os.walk(folder):
        num_files += len(folders) + len(names)
        num_bytes += sum(os.lstat(os.path.join(parent, name)).st_size for name in names)
    return replace(
        limits, max_bytes=limits.max_bytes - num_bytes, max_files=max(0, limits.max_files - num_files)
    )
