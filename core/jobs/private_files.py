"""Keeps what the service writes from other users of the machine: it holds secrets of webhooks."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_PRIVATE = 0o700
_MARK = "signforge.db"
"""A folder that holds this is a data folder and nothing else, such as a home folder."""


def keep_files_private(data_folder: Path) -> Iterator[str]:
    """Make new files of this process and its children private, and the data folder, which may not exist yet.

    Yields a warning if others may enter the folder and it cannot be changed: it belongs to another user, or
    may hold more than the service's data.
    """
    os.umask(0o077)
    try:
        found = data_folder.stat()
    except OSError:
        return  # what is wrong with it is said where it is used
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode) or not mode & 0o077:
        return
    if found.st_uid == os.geteuid() and _is_ours(data_folder):
        data_folder.chmod(_PRIVATE)
        return
    yield (
        f"Other users of this machine may read the data folder {data_folder} (mode {mode:o}), which holds "
        f"secrets of webhooks. Let only the service's user in: chmod 700 {data_folder}"
    )


def _is_ours(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return not names or _MARK in names
