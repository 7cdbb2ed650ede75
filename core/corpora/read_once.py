"""Read each file of a clip from disk once, though it is opened several times, and keep its SHA-256.

A reader opens a file to find its kind, its directory and its arrays, and the import hashes it. Each of these
would read it again, and each read hands the interpreter over to another thread.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from core.source_files import Stream, open_file, opened_by

LARGEST_BYTES = 2**25
"""Files above are read in pieces, as often as they are opened."""


@contextmanager
def read_once(digests: dict[Path, bytes]) -> Iterator[None]:
    """Read each source file that this thread opens in the block once, and add its SHA-256 to `digests`.

    One file is held in memory at a time. Larger files get no entry.
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
            if os.fstat(stream.fileno()).st_size > LARGEST_BYTES:
                return stream
            with stream:
                self._path, self._content = path, stream.read()
            self._digests[path] = hashlib.sha256(self._content).digest()
        return BytesIO(self._content)
