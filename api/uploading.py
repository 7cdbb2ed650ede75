"""Uploads into the artifact store: streamed, size-limited, hashed, and stored whole or not at all."""

import base64
import binascii
import logging
import re
from collections.abc import AsyncIterator

from anyio import to_thread
from sqlalchemy.orm import Session

from api.downloads import repr_digest
from api.problems import Problem, unfit
from api.service import Service
from core.errors import StorageError
from core.jobs.database import now
from core.jobs.identifiers import new_id
from core.jobs.quotas import Quotas, make_room
from core.jobs.storage.artifacts import Received
from core.jobs.tables.artifacts import UploadRow

_BLOCK_BYTES = 1 << 20
_log = logging.getLogger("signforge.api")
_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):")


async def receive(service: Service, chunks: AsyncIterator[bytes], filename: str) -> Received:
    """Write `chunks` to a new file of the artifact store, block by block, outside the event loop.

    Raises:
        TooLarge: the file is larger than the service allows (413).
        StorageError: the disk is full (507), or the object store does not respond (503).
    """
    with service.store.receiving(service.settings.max_upload_bytes, filename=filename) as receiver:
        block = bytearray()
        async for chunk in chunks:
            block += chunk
            if len(block) >= _BLOCK_BYTES:
                await to_thread.run_sync(receiver.write, bytes(block))
                block.clear()
        await to_thread.run_sync(receiver.write, bytes(block))
        return await to_thread.run_sync(receiver.finish)


def promised_sha256(header: str | None) -> str | None:
    """The sha256 of a `Repr-Digest` header in hexadecimal, or None without that header.

    Raises:
        Problem: the digest is not a sha-256 or is malformed (422).
    """
    if header is None:
        return None
    match = _SHA256.search(header)
    try:
        digest = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        detail = f"Repr-Digest {header[:100]!r} is not `sha-256=:<base64 of 32 bytes>:`."
        raise unfit("/repr-digest", detail, location="header")
    return digest.hex()


def require_digest(service: Service, received: Received, promised: str | None) -> None:
    """Remove a received file and refuse it if its digest is not the promised one.

    Raises:
        Problem: the digests differ (422).
    """
    if promised is None or promised == received.sha256:
        return
    discard(service, received)
    detail = (
        f"The received file has Repr-Digest {repr_digest(received.sha256)}, which differs from the one in "
        "the header. Send the file again."
    )
    raise Problem(422, "digest-mismatch", detail)


def record(session: Session, service: Service, *, owner: str, filename: str, received: Received) -> UploadRow:
    """Add the row of a received file as an upload of `owner`.

    Raises:
        QuotaExceeded: the owner's storage quota has no room for it.
    """
    make_room(session, Quotas.of(service.settings), owner=owner, more_bytes=received.size_bytes)
    row = UploadRow(
        id=new_id("upl"),
        owner=owner,
        filename=filename,
        location=received.location,
        size_bytes=received.size_bytes,
        sha256=received.sha256,
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    return row


def discard(service: Service, received: Received) -> None:
    """Remove a received file with its folder. On failure it is left for garbage collection."""
    try:
        service.store.delete(received.location.rpartition("/")[0])
    except StorageError as error:
        _log.warning("Cannot remove the unused file %s: %s", received.location, error)
