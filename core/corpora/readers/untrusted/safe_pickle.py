"""Reading pickles without running them: numbers, text, containers and NumPy arrays, and nothing else.

A pickle is a program for a small machine, and may import and call anything. This is a machine of our own,
which knows only the operations that make plain values. Where a pickle names a function it must be one of the
few that NumPy and Python write for arrays and bytes (`pickled_arrays`), built here from checked parts.
Nothing is imported. Anything else that a pickle asks for is refused by name.
"""

import gzip
import pickletools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.corpora.readers.untrusted.npz import damage_named
from core.corpora.readers.untrusted.pickle_machine import Machine
from core.errors import CorpusError

PICKLE_SUFFIXES = (".pkl", ".pickle")

_GZIP = b"\x1f\x8b"
_PICKLE = b"\x80"
_NEWEST_PROTOCOL = 5


@dataclass(frozen=True)
class PickleLimits:
    """How much a pickle may hold: bytes (in one compressed by gzip, when unpacked), and operations.

    `max_bytes` are of the file, and of its arrays counted wherever they occur.
    """

    max_bytes: int = 8 * 2**30
    max_unpacked_bytes: int = 2**30
    max_operations: int = 20_000_000


def is_pickle(path: Path) -> bool:
    """Whether a file begins as pickles of protocol 2 or later do, or is named as one."""
    with damage_named(path), path.open("rb") as stream:
        start = stream.read(2)
    is_new = start[:1] == _PICKLE and 2 <= int.from_bytes(start[1:], "little") <= _NEWEST_PROTOCOL
    return is_new or path.suffix in PICKLE_SUFFIXES


def load_pickle(path: Path, *, limits: PickleLimits | None = None) -> object:
    """The value in a pickle of any protocol, compressed by gzip or not.

    Raises:
        CorpusError: damaged, above the limits, or holding anything but None, numbers, text, bytes, NumPy
            arrays of these, and lists, tuples, dicts and sets; what was refused is named.
    """
    limits = limits or PickleLimits()
    with damage_named(path), _opened(path, limits) as stream:
        machine = Machine(path, max_operations=limits.max_operations, max_bytes=limits.max_bytes)
        value = machine.run(pickletools.genops(stream))  # type: ignore[arg-type]
        if stream.more():
            raise ValueError("it goes on after its end")
        return value


class _BoundedStream:
    """A file that refuses to read more than there is, so that no length in it can ask for memory."""

    def __init__(self, stream: IO[bytes], num_bytes: int) -> None:
        self._stream, self._left, self._num_bytes = stream, num_bytes, num_bytes

    def tell(self) -> int:
        return self._num_bytes - self._left

    def read(self, num_bytes: int) -> bytes:
        if not 0 <= num_bytes <= self._left:
            raise ValueError(f"it asks for {num_bytes} bytes where at most {self._left} are left")
        return self._counted(self._stream.read(num_bytes), num_bytes)

    def readline(self) -> bytes:
        line = self._stream.readline(self._left)
        return self._counted(line, len(line))

    def more(self) -> bool:
        return bool(self._stream.read(1))

    def _counted(self, data: bytes, num_bytes: int) -> bytes:
        if len(data) != num_bytes:
            raise ValueError("it ends early")
        self._left -= num_bytes
        return data


@contextmanager
def _opened(path: Path, limits: PickleLimits) -> Iterator[_BoundedStream]:
    num_bytes = path.stat().st_size
    if num_bytes > limits.max_bytes:
        raise CorpusError(
            f"{path} has {num_bytes} bytes; a pickle is read up to {limits.max_bytes}. Split it up."
        )
    with path.open("rb") as stream:
        if stream.read(2) != _GZIP:
            stream.seek(0)
            yield _BoundedStream(stream, num_bytes)
            return
        stream.seek(0)
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield _BoundedStream(unpacked, limits.max_unpacked_bytes)  # type: ignore[arg-type]
