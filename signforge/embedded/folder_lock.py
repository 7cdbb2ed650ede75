"""One service per data folder: a lock that the kernel lets go of when its holder dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import StorageError
from signforge.client.errors import ServiceError


class FolderLock:
    """Context manager that holds a data folder for this process.

    Raises:
        ServiceError: another process holds it.
        StorageError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> Self:
        path = self._folder / "lock"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(
                f"Cannot use the data folder {self._folder}: {error.strerror}. Choose another with --data or "
                "SIGNFORGE_DATA_FOLDER."
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode().strip() or "unknown"
            os.close(self._descriptor)
            raise ServiceError(
                f"A signforge service (process {holder}) already runs on the data folder {self._folder}. "
                "Stop it first, or choose another folder with --data or SIGNFORGE_DATA_FOLDER."
            ) from None
        os.truncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file stays: removing it would let a third process lock a new one while a second waits on this.
        os.close(self._descriptor)
