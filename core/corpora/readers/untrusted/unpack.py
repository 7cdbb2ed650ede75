"""Unpack an untrusted zip or tar archive, with limits on size and number of members."""

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from core.corpora.readers.untrusted.npz import as_corpus_error, is_npz
from core.errors import CorpusError

CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class UnpackLimits:
    """Limits for the unpacked size and the number of members; folders count as files."""

    max_bytes: int = 20 * 2**30
    max_files: int = 1_000_000


def is_archive(path: Path) -> bool:
    """Whether a file is a zip (other than an .npz) or a tar, compressed or not."""
    if not path.is_file():
        return False
    if zipfile.is_zipfile(path):
        return not is_npz(path)
    with as_corpus_error(path):
        return tarfile.is_tarfile(path)


def unpack(
    path: Path, folder: Path, *, limits: UnpackLimits, before_chunk: Callable[[], None] = lambda: None
) -> None:
    """Unpack an archive into `folder`; `before_chunk` is called before each chunk and may raise to stop.

    Raises:
        CorpusError: damaged, encrypted, too large, or with a link, a device, or a path outside of `folder`.
    """
    budget = _Budget(path, limits)
    members = _zip_members if zipfile.is_zipfile(path) else _tar_members
    with _damage_of_tar(path), as_corpus_error(path):
        for name, stream in members(path):
            budget.count_member()
            if stream is None:
                continue
            target = folder / _inside(path, name)
            target.parent.mkdir(parents=True, exist_ok=True)
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
            f"{path} has the member {name!r}, whose path may lead outside of the folder. Use plain relative "
            "paths."
        )
    return PurePosixPath(*parts)


def _zip_members(path: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise CorpusError(
                    f"{path} has the member {member.filename!r}, a link or device. Archive only files and "
                    "folders."
                )
            if member.is_dir():
                yield member.filename, None
                continue
            with archive.open(member) as stream:
                yield member.filename, stream


def _tar_members(path: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if not (member.isreg() or member.isdir()):
                raise CorpusError(
                    f"{path} has the member {member.name!r}, a link or device. Archive only files and "
                    "folders."
                )
            yield member.name, archive.extractfile(member)
        _check_tar_end(archive)


def _check_tar_end(archive: tarfile.TarFile) -> None:
    """Check for the block of zeros at the end, because tarfile takes a damaged header for the end."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it is truncated, or a header is damaged")


@contextmanager
def _damage_of_tar(path: Path) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise CorpusError(f"{path} is damaged: {error}.") from None
