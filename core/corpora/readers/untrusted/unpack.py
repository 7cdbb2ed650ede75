"""Unpack an untrusted zip or tar archive, with limits on size and number of members."""

import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from core.corpora.readers.untrusted.npz import as_corpus_error, is_npz
from core.corpora.readers.untrusted.tar_members import is_tar, tar_members
from core.corpora.readers.untrusted.zip_files import UntrustedZip, is_zip
from core.errors import CorpusError
from core.source_files import is_source_file

CHUNK_BYTES = 2**20
MAX_DEPTH = 100
"""Maximum parts of a member's path."""
_SHOWN = 60


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
    path: Path, folder: Path, *, limits: UnpackLimits, before_chunk: Callable[[], None] = lambda: None
) -> None:
    """Unpack an archive into `folder`; `before_chunk` is called before each chunk and may raise to stop.

    Raises:
        CorpusError: damaged, encrypted, too large, or with a link, a device, or a path outside of `folder`.
    """
    budget = _Budget(path, limits)
    with _damage_of_tar(path), as_corpus_error(path):
        if is_zip(path):
            members = _zip_members(path, limits.max_files)
        else:
            members = _tar_members(path, before_chunk, budget.count_bytes)
        folder.mkdir(parents=True, exist_ok=True)
        made: set[str] = set()
        for name, stream in members:
            before_chunk()
            budget.count_member()
            if stream is None:
                continue
            target = folder / _inside(path, name)
            for parent in _missing_folders(target, folder, made):
                budget.count_member()
                parent.mkdir(exist_ok=True)
            with target.open("xb") as out:
                while chunk := stream.read(CHUNK_BYTES):
                    before_chunk()
                    budget.count_bytes(len(chunk))
                    out.write(chunk)


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


def _inside(path: Path, name: str) -> PurePosixPath:
    """Return a member's path, if it is relative and stays inside the folder."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0] or "\0" in name:
        raise CorpusError(
            f"{path} has the member {name[:_SHOWN]!r}, whose path may lead outside of the folder. Use "
            "plain relative paths."
        )
    if len(parts) > MAX_DEPTH:
        raise CorpusError(
            f"{path} has a member in {len(parts) - 1} folders, one in the other ({name[:_SHOWN]!r}...); the "
            f"limit is {MAX_DEPTH - 1}. Use fewer folders."
        )
    return PurePosixPath(*parts)


def _missing_folders(target: Path, folder: Path, made: set[str]) -> Iterator[Path]:
    """Yield the folders between `folder` and `target` that are not among those `made`, and add them."""
    for parent in reversed(target.relative_to(folder).parents[:-1]):
        if (name := str(parent)) not in made:
            made.add(name)
            yield folder / parent


def _zip_members(path: Path, max_files: int) -> Iterator[tuple[str, IO[bytes] | None]]:
    with UntrustedZip(path, max_members=max_files) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            _check_kind(path, member.filename, is_plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if member.filename.endswith("/"):  # its own is_dir() fails for an empty name
                yield member.filename, None
                continue
            with archive.open(member) as stream:
                yield member.filename, stream


def _tar_members(
    path: Path, before_chunk: Callable[[], None], count_bytes: Callable[[int], None]
) -> Iterator[tuple[str, IO[bytes] | None]]:
    for member, stream in tar_members(path, before_chunk, count_bytes):
        _check_kind(path, member.name, is_plain=member.isreg() or member.isdir())
        yield member.name, stream


def _check_kind(path: Path, name: str, *, is_plain: bool) -> None:
    if not is_plain:
        raise CorpusError(
            f"{path} has the member {name[:_SHOWN]!r}, a link or device. Archive only files and folders."
        )


@contextmanager
def _damage_of_tar(path: Path) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise CorpusError(f"{path} is damaged: {error}.") from None
