"""Gives a forked process a command line and an environment variable of its own, as other processes see them.

`ps`, and a worker that looks for the processes of an attempt, read what the kernel laid into memory when the
program was started; a fork has its parent's. It can write there only as much as there is room, so the
parent is started with a long command line and with a placeholder for the variable. Linux only.
"""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

_ROOM = 1024
_FIRST_FIELD = 45
"""Of `arg_start` among the fields of /proc/self/stat that follow the name; three more follow it."""


def padding() -> str:
    """Return an argument for the parent's command line, which makes room for the commands of its forks."""
    return "." * _ROOM


def placeholder(length: int) -> str:
    """Return the value of the parent's variable, which forks replace by values of the same length."""
    return "-" * length


def show_command(words: Sequence[str]) -> None:
    """Show `words` as the command line of this process, cut to the room that there is. Blanks follow."""
    start, end, _, _ = _places()
    shown = b"".join(os.fsencode(word) + b"\0" for word in words)[: end - start - 1]
    ctypes.memmove(start, shown.ljust(end - start - 1) + b"\0", end - start)


def show_variable(name: str, value: str) -> None:
    """Show `value` as the environment variable `name` of this process and of its own forks.

    Raises:
        ValueError: the process was not started with this variable, or with a value of another length.
    """
    _, _, start, end = _places()
    block, key = ctypes.string_at(start, end - start), f"{name}=".encode()
    at = 0 if block.startswith(key) else block.find(b"\0" + key) + 1
    if not block[at:].startswith(key):
        raise ValueError(f"this process was not started with the variable {name}")
    at += len(key)
    room, new = block.index(b"\0", at) - at, value.encode()
    if len(new) != room:
        raise ValueError(f"{name} has room for {room} bytes, not for {len(new)}")
    ctypes.memmove(start + at, new, room)


def _places() -> tuple[int, int, int, int]:
    """Return where the arguments and the environment start and end."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    first, second, third, fourth = fields[_FIRST_FIELD : _FIRST_FIELD + 4]
    return int(first), int(second), int(third), int(fourth)
