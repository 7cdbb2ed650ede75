"""Compute the SHA-256 of the import source in a thread, from files' digests where these are known."""

import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from core.corpora.folder_files import files_below
from core.program.heartbeat import Heartbeat
from core.program.in_background import await_future
from core.source_files import is_source_file, open_source

_CHUNK_BYTES = 1 << 20


class SourceDigest:
    """SHA-256 of a file, or of a folder's file names and contents. A context manager; exit cancels it.

    That of a file is begun at once, while the file is read. That of a folder is begun by `start`, which can
    take the digests of files that were read already.
    """

    def __init__(self, source: Path) -> None:
        self._source, self._cancelled = source, threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._digest: Future[str] | None = None

    def __enter__(self) -> Self:
        if is_source_file(self._source):
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancelled.set()
        self._pool.shutdown()

    def start(self, known: Mapping[Path, bytes] | None = None) -> "Future[str]":
        """Begin, unless it is begun. Files whose SHA-256 is in `known` are not read again."""
        if self._digest is None:
            self._digest = self._pool.submit(self._of_source, known or {})
        return self._digest

    def wait(self, heartbeat: Heartbeat) -> str:
        """Return the digest, and begin it if it is not begun; call `heartbeat` often until it is known.

        Raises:
            OSError: the source cannot be read.
        """
        return await_future(self.start(), heartbeat)

    def _of_source(self, known: Mapping[Path, bytes]) -> str:
        if is_source_file(self._source):
            return self._of_file(self._source)
        digest = hashlib.sha256()
        for path in files_below(self._source).files:
            if self._cancelled.is_set():
                break
            name = str(path.relative_to(self._source)).encode(errors="surrogateescape")
            of_file = known[path].hex() if path in known else self._of_file(path)
            digest.update(name + b"\0" + of_file.encode() + b"\n")
        return digest.hexdigest()

    def _of_file(self, path: Path) -> str:
        digest = hashlib.sha256()
        with open_source(path) as stream:
            while not self._cancelled.is_set() and (chunk := stream.read(_CHUNK_BYTES)):
                digest.update(chunk)
        return digest.hexdigest()
