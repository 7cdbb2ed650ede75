"""Load pickles safely: only numbers, text, containers and NumPy arrays, without running code.

A pickle is a program for a virtual machine, and may import and call anything. The machine used here supports
only the operations that build plain values. A function in a pickle must be one of the few that NumPy and
Python write for arrays and bytes (`pickled_arrays`), which are replaced by safe versions. Nothing is
imported. Everything else is rejected by name.
"""

import gzip
import pickletools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.corpora.readers.untrusted.npz import as_corpus_error
from core.corpora.readers.untrusted.pickle_machine import MAX_OBJECT_BYTES, Machine
from core.errors import CorpusError
from core.file_kinds import seems_to_be
from core.source_files import open_source

PICKLE_SUFFIXES = (".pkl", ".pickle")

_GZIP = b"\x1f\x8b"
_PICKLE = b"\x80"
_NEWEST_PROTOCOL = 5


@dataclass(frozen=True)
class PickleLimits:
    """Limits for a pickle.

    * `max_bytes`: size of the file, and total size of its arrays, counted at each occurrence.
    * `max_unpacked_bytes`: size of a gzip-compressed pickle after unpacking.
    * `max_operations`: number of operations.
    * `max_object_bytes`: memory of numbers, text and containers.
    """

    max_bytes: int = 8 * 2**30
    max_unpacked_bytes: int = 2**28
    max_operations: int = 20_000_000
    max_object_bytes: int = MAX_OBJECT_BYTES


def is_pickle(path: Path) -> bool:
    """Whether a file starts like a pickle of protocol 2 or later, or has a pickle's ending."""
    with as_corpus_error(path), open_source(path) as stream:
        start = stream.read(2)
    is_new = start[:1] == _PICKLE and 2 <= int.from_bytes(start[1:], "little") <= _NEWEST_PROTOCOL
    return is_new or path.suffix in PICKLE_SUFFIXES


def load_pickle(path: Path, *, limits: PickleLimits | None = None) -> object:
    """Load a pickle of any protocol, compressed by gzip or not.

    Raises:
        CorpusError: damaged, above the limits, or holding anything but None, numbers, text, bytes, NumPy
            arrays of these, and lists, tuples, dicts and sets. The message names the rejected content.
    """
    limits = limits or PickleLimits()
    with as_corpus_error(path), _opened(path, limits) as stream:
        machine = Machine(
            path,
            max_operations=limits.max_operations,
            max_bytes=limits.max_bytes,
            max_object_bytes=limits.max_object_bytes,
        )
        try:
            value = machine.run(pickletools.genops(stream))  # type: ignore[arg-type]
        except ValueError as error:
            raise ValueError(f"{error} (it seems to be {seems_to_be(path)})") from None
        if stream.more():
            raise ValueError("it has more data after its end")
        return value


class BoundedStream:
    """A file that rejects reads beyond its end, so that a false length cannot allocate memory."""

    def __init__(self, stream: IO[bytes], num_bytes: int) -> None:
        self._stream, self._left, self._num_bytes = stream, num_bytes, num_bytes

    def tell(self) -> int:
        """Return the position."""
        return self._num_bytes - self._left

    def read(self, num_bytes: int) -> bytes:
        """Read exactly `num_bytes`, else raise ValueError."""
        if not 0 <= num_bytes <= self._left:
            raise ValueError(f"it states a length of {num_bytes} bytes, but at most {self._left} are left")
        return self._counted(self._stream.read(num_bytes), num_bytes)

    def readline(self) -> bytes:
        """Read a line."""
        line = self._stream.readline(self._left)
        return self._counted(line, len(line))

    def more(self) -> bool:
        """Whether there is more to read."""
        return bool(self._stream.read(1))

    def _counted(self, data: bytes, num_bytes: int) -> bytes:
        if len(data) != num_bytes:
            raise ValueError("it ends early")
        self._left -= num_bytes
        return data


@contextmanager
def _opened(path: Path, limits: PickleLimits) -> Iterator[BoundedStream]:
    num_bytes = path.stat().st_size
    if num_bytes > limits.max_bytes:
        raise CorpusError(
            f"{path} has {num_bytes} bytes; the limit for a pickle is {limits.max_bytes} bytes. Split it up."
        )
    with open_source(path) as stream:
        if stream.read(2) != _GZIP:
            stream.seek(0)
            yield BoundedStream(stream, num_bytes)
            return
        stream.seek(0)
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield BoundedStream(unpacked, limits.max_unpacked_bytes)  # type: ignore[arg-type]
