"""List the files of an untrusted folder, without opening pipes or following links to folders."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.source_files import check_source, is_source_file

_NUM_NAMED = 5


@dataclass(frozen=True)
class FolderFiles:
    """The regular files below a folder (or links to one), grouped by folder, and the entries left out.

    `left_out` are links to folders, broken links, unreadable folders, pipes, devices, and links to these.
    """

    files: list[Path]
    left_out: list[Path]


def files_below(folder: Path) -> FolderFiles:
    """List all files below a folder, except hidden ones and the `__MACOSX` folder.

    Raises:
        LeadsOut: a folder leads out of the one to which this process is confined.
    """
    left_out: list[Path] = []
    return FolderFiles(list(each_file_below(folder, left_out)), left_out)


def each_file_below(folder: Path, left_out: list[Path]) -> Iterator[Path]:
    """Yield what `files_below` lists, one folder at a time, and add the entries left out to a list.

    Raises:
        LeadsOut: as `files_below`.
    """

    def leave_out(error: OSError) -> None:
        left_out.append(Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=leave_out):
        check_source(Path(parent))
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        left_out.extend(path for name in folders if (path := Path(parent, name)).is_symlink())
        for path in (Path(parent, name) for name in sorted(names) if not name.startswith(".")):
            if is_source_file(path):
                yield path
            else:
                left_out.append(path)


def describe_left_out(left_out: Sequence[Path], folder: Path) -> str:
    """Return a message with the number of entries left out and the first names."""
    named = ", ".join(repr(str(path.relative_to(folder))) for path in left_out[:_NUM_NAMED])
    more = f" and {len(left_out) - _NUM_NAMED} more" if len(left_out) > _NUM_NAMED else ""
    return (
        f"{len(left_out)} entries were left out: {named}{more}. Links to folders, broken links, links out of "
        "the folder that may be read, pipes, devices and folders without read permission are not read."
    )
