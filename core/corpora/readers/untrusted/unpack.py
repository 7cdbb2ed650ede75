"""Unpack an untrusted zip or tar archive, with limits on size and number of members."""

import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.corpora.readers.untrusted.member_names import is_utf8, tar_name, zip_names
from core.corpora.readers.untrusted.member_paths import member_path, with_slashes
from core.corpora.readers.untrusted.naming import escaped, shortened
from core.corpora.readers.untrusted.npz import as_corpus_error, is_npz
from core.corpora.readers.untrusted.tar_members import is_tar, tar_members
from core.corpora.readers.untrusted.zip_files import UntrustedZip, is_zip
from core.errors import CorpusError
from core.source_files import is_source_file

CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class UnpackLimits:
    """Limits for the unpacked size, headers included, and the number of files; folders count as files."""

    max_bytes: int = 20 * 2**30
    max_files: int = 1_000_000


def is_archive(path: Path) -> bool:
    """Whether a file is a zip (other than an .npz) or a tar, compressed or not."""
    if not is_source_file(path):
        return False
    if is_zip(path):
        return not is_npz(path)
    with as_corpus_error(path):
        return is_tar(path)


def unpack(
    path: Path,
    folder: Path,
    *,
    limits: UnpackLimits,
    encoding: str | None = None,
    before_chunk: Callable[[], None] = lambda: None,
) -> list[str]:
    """Unpack an archive into `folder`, and return notes on what was assumed of its members' names.

    `encoding` is that of names whose encoding the archive does not state; None: it is guessed.
    `before_chunk` is called before each chunk and may raise to stop.

    Raises:
        CorpusError: damaged, encrypted, too large, with names in an unknown encoding, two members of one
            path, or with a link, a device, or a path outside of `folder`.
    """
    budget = _Budget(path, limits)
    notes: list[str] = []
    with _damage_of_tar(path), as_corpus_error(path):
        if is_zip(path):
            members = _zip_members(path, limits.max_files, encoding, notes)
        else:
            members = _tar_members(path, before_chunk, budget.count_bytes, encoding, notes)
        folder.mkdir(parents=True, exist_ok=True)
        made: set[str] = set()
        for name, stream in members:
            before_chunk()
            budget.count_member()
            if stream is None:
                continue
            target = folder / member_path(path, name)
            for parent in _missing_folders(target, folder, made):
                budget.count_member()
                with _nothing_there(path, name):
                    parent.mkdir(exist_ok=True)
            with _nothing_there(path, name):
                out = target.open("xb")
            with out:
                while chunk := stream.read(CHUNK_BYTES):
                    before_chunk()
                    budget.count_bytes(len(chunk))
                    out.write(chunk)
    return notes


class _Budget:
    """Counts unpacked members and bytes, and rejects an archive above the limits."""

    def __init__(self, path: Path, limits: UnpackLimits) -> None:
        self._path = path
        self._limits = limits
        self._num_members = 0
        self._num_bytes = 0

    def count_member(self) -> None:
        self._num_members += 1
        if self._num_members > self._limits.max_files:
            raise CorpusError(
                f"{self._path} has more than {self._limits.max_files} files and folders. Split it up."
            )

    def count_bytes(self, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        if self._num_bytes > self._limits.max_bytes:
            raise CorpusError(
                f"{self._path} has more than {self._limits.max_bytes} bytes when unpacked. Split it up."
            )


def _missing_folders(target: Path, folder: Path, made: set[str]) -> Iterator[Path]:
    """Yield the folders between `folder` and `target` that are not among those `made`, and add them."""
    for parent in reversed(target.relative_to(folder).parents[:-1]):
        if (name := str(parent)) not in made:
            made.add(name)
            yield folder / parent


def _zip_members(
    path: Path, max_files: int, encoding: str | None, notes: list[str]
) -> Iterator[tuple[str, IO[bytes] | None]]:
    with UntrustedZip(path, max_members=max_files) as archive:
        members = archive.infolist()
        names, assumed = zip_names(path, members, encoding)
        notes += assumed
        for member, name in zip(members, map(with_slashes, names), strict=True):
            kind = stat.S_IFMT(member.external_attr >> 16)
            _check_kind(path, name, is_plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if name.endswith("/"):  # its own is_dir() fails for an empty name
                yield name, None
                continue
            with archive.open(member) as stream:
                yield name, stream


def _tar_members(
    path: Path,
    before_chunk: Callable[[], None],
    count_bytes: Callable[[int], None],
    encoding: str | None,
    notes: list[str],
) -> Iterator[tuple[str, IO[bytes] | None]]:
    unknown: list[str] = []
    num_unknown = 0
    for member, stream in tar_members(path, before_chunk, count_bytes):
        name = tar_name(path, member, encoding)
        _check_kind(path, name, is_plain=member.isreg() or member.isdir())
        if not is_utf8(name):
            num_unknown += 1
            unknown = unknown or [name]
        yield name, stream
    if unknown:
        notes.append(
            f"{num_unknown} names in the archive are not UTF-8, such as {escaped(shortened(unknown[0]))}; "
            "their other bytes are shown as codes. Set archive_encoding (--archive-encoding) to the encoding "
            "of the computer that made it."
        )


@contextmanager
def _nothing_there(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, IsADirectoryError):
        raise CorpusError(
            f"{path} has the member {shortened(name)!r} twice, or as a file and as a folder, or in two "
            "spellings of the same path. Keep one of them."
        ) from None


def _check_kind(path: Path, name: str, *, is_plain: bool) -> None:
    if not is_plain:
        raise CorpusError(
            f"{path} has the member {shortened(name)!r}, a link or device. Archive only files and folders."
        )


@contextmanager
def _damage_of_tar(path: Path) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise CorpusError(f"{path} is damaged: {error}.") from None
