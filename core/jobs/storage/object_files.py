"""Streamed uploads to and downloads from an object store, with multipart uploads of large files."""

import hashlib
from pathlib import Path

import obstore
from obstore.store import S3Store

from core.jobs.storage.manifests import FileDigest

_PART_BYTES = 8 << 20
_MAX_PARTS = 9_000
"""S3 allows 10,000 parts per file. Part sizes grow for files that would need more."""
_PARTS_AT_A_TIME = 4
_PIECE_BYTES = 1 << 20


def put_file(bucket: S3Store, name: str, path: Path) -> None:
    """Upload a file, whole or not at all, reading a few parts at a time."""
    part = max(_PART_BYTES, -(-path.stat().st_size // _MAX_PARTS))
    obstore.put(bucket, name, path, chunk_size=part, max_concurrency=_PARTS_AT_A_TIME)


def put_bytes(bucket: S3Store, name: str, content: bytes) -> None:
    """Upload a small object."""
    obstore.put(bucket, name, content)


def download(bucket: S3Store, name: str, path: Path) -> FileDigest:
    """Download an object to a file. Returns the digest of the received bytes."""
    digest, size = hashlib.sha256(), 0
    found = obstore.get(bucket, name)
    with path.open("wb") as file:
        for piece in found.stream(min_chunk_size=_PIECE_BYTES):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return FileDigest(size, digest.hexdigest())
