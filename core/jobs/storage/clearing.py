"""Looking for files that nobody needs any more, and removing them: what both artifact stores do locally."""

import errno
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """Something directly below `uploads`, `corpora` or `encoders`, whoever put it there."""

    location: str
    changed_at: datetime
    """The newest change of anything in it."""


@dataclass(frozen=True)
class Freed:
    """What was removed, and what to say about each thing that could not be."""

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
    """Remove a file, or a folder with everything in it but `keep`; what resists stays, and the rest goes.

    Others may remove the same at the same time: each file is counted by whoever removed it.
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
        return Freed(troubles=(_resists(path, error),))
    return inside + _remove_empty(path)


def entries_in(folder: Path) -> Iterator[tuple[Path, datetime]]:
    """What is directly in a folder, and when anything in it last changed."""
    with suppress(FileNotFoundError):
        for path in list(folder.iterdir()):
            with suppress(FileNotFoundError):  # it may be going just now
                yield path, datetime.fromtimestamp(max(_changes(path)), UTC)


def _changes(path: Path) -> Iterator[float]:
    """Renaming moves the change time only; writing moves both."""
    found = path.lstat()
    yield max(found.st_mtime, found.st_ctime)
    if stat.S_ISDIR(found.st_mode):
        for child in list(path.iterdir()):
            yield from _changes(child)


def _remove_empty(folder: Path) -> Freed:
    """Nothing is said about a folder in which something is left: that has been kept, or told of."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            return Freed(troubles=(_resists(folder, error),))
    return Freed()


def _resists(path: Path, error: OSError) -> str:
    return f"Cannot remove {path}: {error.strerror}; delete it by hand."
