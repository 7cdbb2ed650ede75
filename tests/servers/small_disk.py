"""A small disk of our own that can be filled: a tmpfs in a mount namespace that nobody else sees."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_INSIDE = "SIGNFORGE_CHAOS_DISK"
_BLOCK = bytes(2**20)


def with_small_disk(folder: Path, command: Sequence[str], *, megabytes: int) -> int:
    """Run `command` where `folder` is a small tmpfs, if this user may make one; returns its exit code."""
    around = on_small_disk(folder, megabytes=megabytes) if can_mount() else []
    environment = {**os.environ, _INSIDE: str(folder) if around else ""}
    return subprocess.run([*around, *command], env=environment).returncode


def on_small_disk(folder: Path, *, megabytes: int) -> list[str]:
    """The words before a command that has it run where `folder` is a small tmpfs; see `can_mount`."""
    mounting = f'mount -t tmpfs -o size={megabytes}m none "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mounting, str(folder)]


def is_small(folder: Path) -> bool:
    """Whether `folder` is the small disk that `with_small_disk` made."""
    return os.environ.get(_INSIDE) == str(folder)


def can_mount() -> bool:
    """Whether this user may make a tmpfs in a namespace of its own: root, but not in every container."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    trial = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(trial, capture_output=True).returncode == 0


def fill(folder: Path) -> Path:
    """Write a file until nothing more fits; returns it."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(_BLOCK):
            pass
    return ballast
