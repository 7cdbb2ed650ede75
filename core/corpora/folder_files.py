"""The files of a folder that a stranger made, so that nobody waits for a pipe or goes round in links."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NUM_NAMED = 5


@dataclass(frozen=True)
class FolderFiles:
    """Regular files (or links to one) below a folder, each folder's together, and what there is besides.

    `left_out` are links to folders or to nothing, folders that may not be read, and whatever is neither file
    nor folder: pipes, devices, and links to these.
    """

    files: list[Path]
    left_out: list[Path]


def files_below(folder: Path) -> FolderFiles:
    """All that lies below a folder, without hidden files and folders and what macOS adds."""
    found = FolderFiles([], [])

    def leave_out(error: OSError) -> None:
        found.left_out.append(Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=leave_out):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        found.left_out.extend(path for name in folders if (path := Path(parent, name)).is_symlink())
        for path in (Path(parent, name) for name in sorted(names) if not name.startswith(".")):
            (found.files if path.is_file() else found.left_out).append(path)
    return found


def told_left_out(left_out: Sequence[Path], folder: Path) -> str:
    """A sentence that counts and names what was left out."""
    named = ", ".join(repr(str(path.relative_to(folder))) for path in left_out[:_NUM_NAMED])
    more = f" and {len(left_out) - _NUM_NAMED} more" if len(left_out) > _NUM_NAMED else ""
    return (
        f"{len(left_out)} entries were left out: {named}{more}. Links are followed to files, not to folders "
        "or to nothing; pipes, devices and folders that may not be opened are not read."
    )
