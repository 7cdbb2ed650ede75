"""One service per data folder: a lock that the kernel lets go of when its holder dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import StorageError
from signforge.client.errors import ServiceError

_LONGEST_PROCESS_ID = 32


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a data folder for this process. Its lock file names the holder and stays when that ends.

    Raises:
        ServiceError: another process holds it.
        StorageError: the folder cannot be made or written.
    """
    path = folder / "lock"
    lock = FileLock(path, blocking=False, mode=0o600, preserve_lock_file=True, on_acquired=_note_holder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ServiceError(
            f"A signforge service (process {_holder(path)}) already runs on the data folder {folder}. "
            "Stop it first, or choose another folder with --data or SIGNFORGE_DATA_FOLDER."
        ) from None
    except (FileExistsError, NotADirectoryError):
        file = next(part for part in (folder, *folder.parents) if part.exists())
        raise StorageError(
            f"Cannot use the data folder {folder}: {file} is a file, not a folder. Choose a folder, or a "
            "path that does not exist yet, with --data or SIGNFORGE_DATA_FOLDER."
        ) from None
    except OSError as error:
        raise StorageError(
            f"Cannot use the data folder {folder}: {error.strerror}. Choose another with --data or "
            "SIGNFORGE_DATA_FOLDER."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _note_holder(descriptor: int) -> None:
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def _holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8")[:_LONGEST_PROCESS_ID].strip() or "unknown"
    return "unknown"
