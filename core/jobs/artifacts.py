"""The artifact folder: uploads, corpora, encoders, and what each attempt at a job writes.

The database holds locations: paths relative to this folder, with forward slashes.
"""

import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from core.errors import StorageError, TooLarge

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 150


class Received(NamedTuple):
    """A file that has arrived whole and is on disk."""

    path: Path
    size_bytes: int
    sha256: str


class Receiver:
    """A file that is arriving: `write` its bytes, then `finish`; leaving without `finish` removes it."""

    def __init__(self, folder: Path, *, filename: str, max_bytes: int) -> None:
        self._staging = folder / f".arriving-{uuid.uuid4().hex}"
        self._target = folder / uuid.uuid4().hex / _safe(filename)
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        with _naming_a_full_disk():
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._staging.open("wb")

    def write(self, chunk: bytes) -> None:
        """Append `chunk`.

        Raises:
            TooLarge: that makes more than `max_bytes`.
            StorageError: the disk is full.
        """
        self._size_bytes += len(chunk)
        if self._size_bytes > self._max_bytes:
            raise TooLarge(
                f"The upload is larger than {self._max_bytes} bytes; raise SIGNFORGE_MAX_UPLOAD_BYTES."
            )
        with _naming_a_full_disk():
            self._file.write(chunk)
        self._digest.update(chunk)

    def finish(self) -> Received:
        """Put the file in its place, safely on disk.

        Raises:
            StorageError: the disk is full.
        """
        with _naming_a_full_disk():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._target.parent.mkdir()
            self._staging.rename(self._target)
            for folder in (self._target.parent, self._target.parent.parent):
                sync_folder(folder)
        return Received(self._target, self._size_bytes, self._digest.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _naming_a_full_disk():
            try:
                self._file.close()
            finally:  # closing writes what is left, which may fail again
                self._staging.unlink(missing_ok=True)


class ArtifactStore:
    """A folder on a local (or shared) disk with one place for each kind of artifact."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def receive(self, stream: Iterable[bytes], max_bytes: int, *, filename: str = "upload") -> Received:
        """Write `stream` to a new file below `uploads/`, counted and hashed; all of it or nothing.

        Raises:
            TooLarge: more than `max_bytes` arrived.
            StorageError: the disk is full.
        """
        with self.receiving(max_bytes, filename=filename) as receiver:
            for chunk in stream:
                receiver.write(chunk)
            return receiver.finish()

    def receiving(self, max_bytes: int, *, filename: str = "upload") -> Receiver:
        """The same piece by piece, for a caller that has to await its chunks: a context manager."""
        return Receiver(self.folder / "uploads", filename=filename, max_bytes=max_bytes)

    def corpus_folder(self, corpus_id: str) -> Path:
        """Where a packed corpus lies."""
        return self.folder / "corpora" / corpus_id

    def encoder_folder(self, encoder_id: str) -> Path:
        """Where an encoder (`encoder.safetensors`, `card.json`) lies."""
        return self.folder / "encoders" / encoder_id

    def job_folder(self, job_id: str) -> Path:
        """Where all attempts at a job write."""
        return self.folder / "jobs" / job_id

    def attempt_folder(self, job_id: str, attempt: int) -> Path:
        """Where one attempt at a job writes."""
        return self.job_folder(job_id) / f"attempt_{attempt}"

    def local_path(self, location: str) -> Path:
        """The path of a stored location.

        Raises:
            StorageError: the location points outside the artifact folder.
        """
        path = Path(os.path.normpath(self.folder / location))
        if not path.is_relative_to(self.folder):
            raise StorageError(f"Location {location!r} is outside the artifact folder {self.folder}.")
        return path

    def location_of(self, path: Path) -> str:
        """The location to store for a path below the artifact folder."""
        return path.absolute().relative_to(self.folder).as_posix()

    def adopt(self, source: Path, target: Path) -> None:
        """Move a finished folder to its place for good; an orphan already there is replaced.

        Raises:
            StorageError: the disk is full.
        """
        with _naming_a_full_disk():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            source.rename(target)
            sync_folder(target.parent)

    def remove(self, location: str) -> None:
        """Delete the folder at a location, if it is still there.

        Raises:
            StorageError: it cannot be deleted, or is no folder below `uploads`, `corpora` and the like.
        """
        path = self.local_path(location)
        if path.parent in (self.folder, self.folder.parent):
            raise StorageError(f"Location {location!r} holds more than one artifact; it is not removed.")
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StorageError(f"Cannot remove {path}: {error.strerror}; delete it by hand.") from error

    def check_writable(self) -> None:
        """Write, sync and remove a small file.

        Raises:
            StorageError: the folder cannot be written.
        """
        probe = self.folder / f".probe-{uuid.uuid4().hex}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with probe.open("wb") as file:
                file.write(b"signforge")
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(
                f"The artifact folder {self.folder} cannot be written ({error.strerror}); "
                "free some space or change SIGNFORGE_ARTIFACTS."
            ) from error
        finally:
            with suppress(OSError):
                probe.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _safe(filename: str) -> str:
    """The last part of a name a stranger gave, with its suffix, in harmless characters."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return _UNSAFE.sub("_", last).lstrip(".")[-_LONGEST_NAME:] or "upload"


@contextmanager
def _naming_a_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                "The disk of the artifact folder is full; free some space, then retry."
            ) from error
        raise
