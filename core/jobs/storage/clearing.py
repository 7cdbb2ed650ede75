"""Listing and removal of local files, for garbage collection in both artifact stores."""

import errno
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """A file or folder directly below `uploads`, `corpora` or `encoders`."""

    location: str
    changed_at: datetime
    """Time of the newest change of anything in it."""


@dataclass(frozen=True)
class Freed:
    """Number and bytes of removed files, and a message for each that could not be removed."""

    num_files: int = 0
    num_bytes: int = 0
    troubles: tuple[str, ...] = ()

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(
            self.num_files + other.num_files,
            self.num_bytes + other.num_bytes,
            self.troubles + other.troubles,
        )


def clear(path: Path, keep: Collection[Path] = ()) -> Freed:
    """Remove a file, or a folder with everything in it except `keep`. Continues past files it cannot remove.

    Safe to run concurrently: each file is counted by the process that removed it.
    """
    if path in keep:
        return Freed()
    try:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            path.unlink()
            return Freed(1, found.st_size)
        inside = sum((clear(child, keep) for child in list(path.iterdir())), Freed())
    except FileNotFoundError:
        return Freed()
    except OSError as error:
        return Freed(troubles=(_cannot_remove(path, error),))
    return inside + _remove_empty(path)


def entries_in(folder: Path) -> Iterator[tuple[Path, datetime]]:
    """The direct children of a folder, each with the time of the newest change in it."""
    with suppress(FileNotFoundError):
        for path in list(folder.iterdir()):
            with suppress(FileNotFoundError):  # it may be removed concurrently
                yield path, datetime.fromtimestamp(max(_changes(path)), UTC)


def _changes(path: Path) -> Iterator[float]:
    """Change times of a path and all in it. A rename updates ctime only, a write updates both."""
    found = path.lstat()
    yield max(found.st_mtime, found.st_ctime)
    if stat.S_ISDIR(found.st_mode):
        for child in list(path.iterdir()):
            yield from _changes(child)


def _remove_empty(folder: Path) -> Freed:
    """Remove a folder if it is empty. Otherwise its content is kept or already reported."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            return Freed(troubles=(_cannot_remove(folder, error),))
    return Freed()


def _cannot_remove(path: Path, error: OSError) -> str:
    return f"Cannot remove {path}: {error.strerror}. Delete it by hand."
