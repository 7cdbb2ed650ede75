"""Compute the SHA-256 of the import source in a thread, in parallel with reading it."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from core.corpora.folder_files import files_below
from core.program.heartbeat import Heartbeat
from core.source_files import is_source_file, open_source

_CHUNK_BYTES = 1 << 20
_POLL_SECONDS = 0.1


class SourceDigest:
    """SHA-256 of a file, or of a folder's file names and contents. A context manager; exit cancels it."""

    def __init__(self, source: Path) -> None:
        self._source, self._cancelled = source, threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")

    def __enter__(self) -> Self:
        self._digest = self._pool.submit(self._of_source)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancelled.set()
        self._pool.shutdown()

    @property
    def is_known(self) -> bool:
        """Whether the digest is complete."""
        return self._digest.done()

    def wait(self, heartbeat: Heartbeat) -> str:
        """Wait for the digest and return it; call `heartbeat` every `_POLL_SECONDS` until then.

        Raises:
            OSError: the source cannot be read.
        """
        while not wait([self._digest], timeout=_POLL_SECONDS).done:
            heartbeat()
        return self._digest.result()

    def _of_source(self) -> str:
        if is_source_file(self._source):
            return self._of_file(self._source)
        digest = hashlib.sha256()
        for path in files_below(self._source).files:
            if self._cancelled.is_set():
                break
            name = str(path.relative_to(self._source)).encode(errors="surrogateescape")
            digest.update(name + b"\0" + self._of_file(path).encode() + b"\n")
        return digest.hexdigest()

    def _of_file(self, path: Path) -> str:
        digest = hashlib.sha256()
        with open_source(path) as stream:
            while not self._cancelled.is_set() and (chunk := stream.read(_CHUNK_BYTES)):
                digest.update(chunk)
        return digest.hexdigest()
