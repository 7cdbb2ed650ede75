"""Fetch a file so that a broken connection costs nothing and a damaged file is never left behind."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import httpx

from core.errors import EncoderError, StorageError
from signforge.client.transport.backoff import Backoff
from signforge.client.transport.connection import AWAY, Connection

OnBytes = Callable[[int, int | None], None]
"""Told the bytes on disk and the bytes in all, where known."""

_CHUNK_BYTES = 2**18
_SILENCE_SECONDS = 60.0


def fetch(
    connection: Connection, path: str, target: Path, *, sha256: str, on_bytes: OnBytes | None = None
) -> Path:
    """Download `path` to the file `target` and verify its `sha256` (hex).

    An unfinished download lies beside the target as `<name>.<first digits of sha256>.part` and is gone on
    with, also by a later call.

    Raises:
        EncoderError: the bytes that arrived are not the ones that were promised.
        ApiError, ConnectionFailed: the service refused or is away.
        StorageError: the target cannot be written.
    """
    part = target.with_name(f"{target.name}.{sha256[:12]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fill(connection, path, part, sha256=sha256, on_bytes=on_bytes or _ignore)
        found = file_sha256(part)
        if found != sha256:
            part.unlink()
            raise EncoderError(
                f"The download's sha256 is {found}, but {sha256} was promised; it was thrown away. Try again."
            )
        os.replace(part, target)
    except OSError as error:
        raise StorageError(f"Cannot write {target}: {error.strerror}.") from None
    return target


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fill(connection: Connection, path: str, part: Path, *, sha256: str, on_bytes: OnBytes) -> None:
    backoff = Backoff.patient(connection.sleep)
    while True:
        before = _size(part)
        try:
            with connection.stream(path, headers=_range(before, sha256), timeout=_SILENCE_SECONDS) as answer:
                if answer.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                    _write(answer, part, on_bytes=on_bytes)
            return
        except AWAY as error:
            if _size(part) > before:
                backoff.reset()
            if not backoff.wait():
                raise connection.failure(error) from None


def _range(done: int, sha256: str) -> dict[str, str]:
    # Identity: a compressed answer could not be gone on with by byte.
    plain = {"Accept-Encoding": "identity"}
    return {**plain, "Range": f"bytes={done}-", "If-Range": f'"sha256-{sha256}"'} if done else plain


def _write(answer: httpx.Response, part: Path, *, on_bytes: OnBytes) -> None:
    resumes = answer.status_code == httpx.codes.PARTIAL_CONTENT
    with part.open("ab" if resumes else "wb") as stream:
        done = stream.tell()
        length = answer.headers.get("content-length")
        total = done + int(length) if length else None
        on_bytes(done, total)
        for chunk in answer.iter_bytes(_CHUNK_BYTES):
            stream.write(chunk)
            done += len(chunk)
            on_bytes(done, total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _ignore(done: int, total: int | None) -> None:
    pass
