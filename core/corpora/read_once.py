"""Read each file of a clip from disk once, though it is opened several times, and keep its SHA-256.

A reader may open a file several times, and the import needs its digest. A second thread that reads all files
for their digests slows the reader down: Python runs one thread at a time, and each read is a change of turns.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from core.source_files import Stream, open_file, opened_by

LARGEST_BYTES = 2**25
"""Larger files are opened as usual, and get no digest."""


@contextmanager
def read_once(digests: dict[Path, bytes]) -> Iterator[None]:
    """Read each source file that this thread opens in the block once, and add its SHA-256 to `digests`.

    One file is held in memory at a time, of at most `LARGEST_BYTES`.
    """
    held = _Held(digests)
    with opened_by(held.open):
        yield


class _Held:
    """The file that was opened last."""

    def __init__(self, digests: dict[Path, bytes]) -> None:
        self._digests = digests
        self._path: Path | None = None
        self._content = b""

    def open(self, path: Path) -> Stream:
        """Open a file; errors are those of `open_file`."""
        if path != self._path:
            stream = open_file(path)
            size = os.fstat(stream.fileno()).st_size
            if size > LARGEST_BYTES:
                return stream
            with stream:
                self._path, self._content = path, stream.read(size)
            self._digests[path] = hashlib.sha256(self._content).digest()
        return BytesIO(self._content)
