"""Artifacts in a store for tests: create them, read them, and see them from another host."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from core.jobs.settings import Settings
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.bucket_store import BucketStore
from core.jobs.storage.stores import open_store
from tests.servers.s3 import S3Server


def bucket_store(server: S3Server, bucket: str, folder: Path, **changes: Any) -> ArtifactStore:
    """A store that keeps things in `bucket` and works in `folder`."""
    return open_store(Settings(artifacts=folder, **server.settings(bucket, **changes)))


def open_again(store: ArtifactStore, folder: Path) -> ArtifactStore:
    """The same store as another host sees it: for a bucket with the working folder `folder`."""
    again = copy.copy(store)
    if isinstance(again, BucketStore):
        again.folder = folder
    return again


def content_of(store: ArtifactStore, location: str) -> bytes:
    """All bytes of a file in the store."""
    return b"".join(store.read(location, 0, store.size_of(location)))


def make_checkpoint(store: ArtifactStore, step: int, *, attempt: int = 1, job_id: str = "job_1") -> Path:
    """A whole checkpoint folder with two files, as a program writes it."""
    folder = store.attempt_folder(job_id, attempt) / "checkpoints" / f"step_{step:08d}"
    folder.mkdir(parents=True)
    contents = {"weights": b"w" * step, "queues": b"q"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    files = {n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in contents.items()}
    (folder / "manifest.json").write_text(json.dumps({"step": step, "files": files}))
    return folder
