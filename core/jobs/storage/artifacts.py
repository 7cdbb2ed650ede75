"""The artifact store interface: uploads, corpora, encoders and checkpoints.

The database holds locations: paths relative to the store, with forward slashes. Training programs know local
paths only. So each store also has a local folder in which every location has a path: attempts write there,
and fetched files are stored there.
"""

import hashlib
import os
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from core.errors import StorageError, TooLarge, is_disk_full
from core.jobs.storage.clearing import Entry, Freed
from core.jobs.storage.manifests import FileDigest

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME_LENGTH = 150


class Received(NamedTuple):
    """A file that was received completely and is in the store."""

    location: str
    size_bytes: int
    sha256: str


class ArtifactStore(ABC):
    """Stores artifacts under locations. Uncommitted artifacts are visible to their writer only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @abstractmethod
    def commit(self, source: Path, location: str) -> None:
        """Move a finished local file or folder to its location, durably. A folder's manifest goes last.

        Afterwards a folder is at its local path. An orphan already there is replaced.

        Raises:
            StorageError: the disk is full, or the store does not respond.
        """

    @abstractmethod
    def commit_checkpoint(self, folder: Path) -> "Future[None]":
        """Store a checkpoint that a program wrote at its local path, in the background.

        The program may delete it at any time. The future can be cancelled before it starts. Its exception is
        a `StorageError`.
        """

    @abstractmethod
    def fetch_file(self, location: str, promised: FileDigest) -> Path:
        """Ensure that a file is complete at its local path. Returns that path.

        Raises:
            ArtifactError: the file does not exist, or differs from `promised`.
            StorageError: the disk is full, or the store does not respond.
        """

    @abstractmethod
    def fetch_folder(self, location: str, promised: Mapping[str, FileDigest] | None = None) -> Path:
        """The same for a folder. Digests in `promised` take precedence over those in the manifest."""

    @abstractmethod
    def size_of(self, location: str) -> int:
        """Size of a file in bytes.

        Raises:
            ArtifactError: the file does not exist.
            StorageError: the store does not respond.
        """

    @abstractmethod
    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield a file's bytes from `start` up to `stop`, in pieces."""

    @abstractmethod
    def signed_url(self, location: str) -> str | None:
        """A temporary URL that gives anyone access to a file. None if the API must send the file itself."""

    @abstractmethod
    def delete(self, location: str) -> None:
        """Remove a folder and its local copy. A folder that does not exist is no error."""

    @abstractmethod
    def delete_later(self, locations: Sequence[str]) -> "Future[None]":
        """Remove folders in the background."""

    @abstractmethod
    def entries(self, folder: str) -> Sequence[Entry]:
        """List the entries directly below `uploads`, `corpora` or `encoders`, local and in the store.

        Raises:
            StorageError: the store does not respond.
        """

    @abstractmethod
    def clear(self, location: str, *, keep: Collection[str] = ()) -> Freed:
        """Remove a file or folder except for the locations to `keep` in it. Reports what cannot be removed.

        Raises:
            StorageError: the store does not respond, or `location` holds more than one artifact.
        """

    @abstractmethod
    def is_gone(self, location: str) -> bool:
        """Whether a folder no longer exists, as far as known without network access."""

    @abstractmethod
    def checkpoints_of(self, job_id: str) -> Sequence[str]:
        """Locations of the checkpoints of a job's attempts in the store, complete or not."""

    @abstractmethod
    def checkpoint_manifest(self, location: str) -> dict[str, Any]:
        """The manifest of a complete checkpoint.

        Raises:
            CheckpointError: a file is missing or damaged.
            StorageError: the store does not respond.
        """

    @abstractmethod
    def forget(self, job_id: str) -> None:
        """Remove local copies of a final job's checkpoints, if the store is remote."""

    def check_writable(self) -> None:
        """Write, sync and remove a small test file.

        Raises:
            StorageError: the store or its local folder is not writable.
        """
        probe = self.folder / f".probe-{uuid.uuid4().hex}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with probe.open("wb") as file:
                file.write(b"signforge")
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(
                f"The artifact folder {self.folder} is not writable ({error.strerror}). "
                "Free some space, or change SIGNFORGE_ARTIFACTS."
            ) from error
        finally:
            with suppress(OSError):
                probe.unlink()

    def receive(self, stream: Iterable[bytes], max_bytes: int, *, filename: str = "upload") -> Received:
        """Store `stream` as a new file below `uploads/`, size-limited and hashed, whole or not at all.

        Raises:
            TooLarge: the stream has more than `max_bytes`.
            StorageError: the disk is full, or the store does not respond.
        """
        with self.receiving(max_bytes, filename=filename) as receiver:
            for chunk in stream:
                receiver.write(chunk)
            return receiver.finish()

    def receiving(self, max_bytes: int, *, filename: str = "upload") -> "Receiver":
        """The same as a context manager, for callers that await their chunks."""
        return Receiver(self, filename=filename, max_bytes=max_bytes)

    def corpus_folder(self, corpus_id: str) -> Path:
        """Folder of a packed corpus."""
        return self.folder / "corpora" / corpus_id

    def encoder_folder(self, encoder_id: str) -> Path:
        """Folder of an encoder (`encoder.safetensors`, `card.json`)."""
        return self.folder / "encoders" / encoder_id

    def job_folder(self, job_id: str) -> Path:
        """Folder of all attempts of a job."""
        return self.folder / "jobs" / job_id

    def attempt_folder(self, job_id: str, attempt: int) -> Path:
        """Folder of one attempt of a job."""
        return self.job_folder(job_id) / f"attempt_{attempt}"

    def local_path(self, location: str) -> Path:
        """The local path of a location.

        Raises:
            StorageError: the location points outside the artifact folder.
        """
        path = Path(os.path.normpath(self.folder / location))
        if not path.is_relative_to(self.folder):
            raise StorageError(f"Location {location!r} is outside the artifact folder {self.folder}.")
        return path

    def deletable_path(self, location: str) -> Path:
        """The local path of a location that holds one artifact.

        Raises:
            StorageError: it is outside the folder, or holds several artifacts (such as `uploads` itself).
        """
        path = self.local_path(location)
        if path.parent in (self.folder, self.folder.parent):
            raise StorageError(f"Location {location!r} holds more than one artifact; it is not removed.")
        return path

    def location_of(self, path: Path) -> str:
        """The location of a path below the artifact folder."""
        return path.absolute().relative_to(self.folder).as_posix()


class Receiver:
    """A file being received: `write` its bytes, then `finish`. Leaving without `finish` removes it."""

    def __init__(self, store: ArtifactStore, *, filename: str, max_bytes: int) -> None:
        self._store = store
        self._staging = store.folder / "uploads" / f".arriving-{uuid.uuid4().hex}"
        self._location = f"uploads/{uuid.uuid4().hex}/{_safe(filename)}"
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        with naming_a_full_disk():
            self._staging.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._staging.open("wb")

    def write(self, chunk: bytes) -> None:
        """Append `chunk`.

        Raises:
            TooLarge: the file exceeds `max_bytes`.
            StorageError: the disk is full.
        """
        self._size_bytes += len(chunk)
        if self._size_bytes > self._max_bytes:
            raise TooLarge(
                f"The upload is larger than the limit of {self._max_bytes} bytes. Send a smaller file, or "
                "raise SIGNFORGE_MAX_UPLOAD_BYTES on the server."
            )
        with naming_a_full_disk():
            self._file.write(chunk)
        self._digest.update(chunk)

    def finish(self) -> Received:
        """Commit the file to the store.

        Raises:
            StorageError: the disk is full, or the store does not respond.
        """
        with naming_a_full_disk():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        self._store.commit(self._staging, self._location)
        return Received(self._location, self._size_bytes, self._digest.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with naming_a_full_disk():
            try:
                self._file.close()
            finally:  # closing flushes the buffer, which may fail again
                self._staging.unlink(missing_ok=True)


@contextmanager
def naming_a_full_disk() -> Iterator[None]:
    """Convert the operating system's errors about a full disk to `StorageError`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise StorageError(
                "The disk of the artifact folder is full. Free some space, then retry."
            ) from error
        raise


def _safe(filename: str) -> str:
    """The last part of an untrusted file name, with its suffix, in safe characters."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return _UNSAFE.sub("_", last).lstrip(".")[-_MAX_NAME_LENGTH:] or "upload"
