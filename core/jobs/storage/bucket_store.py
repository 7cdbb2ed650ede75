"""Artifact store in an S3-compatible bucket, with a local folder for attempts and fetched files.

A commit writes the files, then the manifest that lists them, then (by the caller) the row. So a manifest
implies complete files, and an interrupted commit is garbage. Fetched files are verified against their
manifest or row, and are not fetched again while they are complete.
"""

import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from core.errors import ArtifactError, CheckpointError, StorageAway, StorageError
from core.jobs.storage.artifacts import ArtifactStore, naming_a_full_disk
from core.jobs.storage.background import Background
from core.jobs.storage.clearing import Entry, Freed, clear, entries_in
from core.jobs.storage.manifests import MANIFEST, FileDigest, describe, files_of, parse
from core.jobs.storage.object_files import download, put_bytes, put_file

_PIECE_BYTES = 1 << 20
_SIGNED_FOR = timedelta(minutes=15)
"""A download must start within this time."""
_CHECKPOINT = re.compile(r"(.*/attempt_\d+/checkpoints/step_\d+)/[^/]+")
_log = logging.getLogger(__name__)


class BucketStore(ArtifactStore):
    """A bucket, or a prefix in one, that all hosts of the service share. Each host has its own `folder`."""

    def __init__(self, folder: Path, bucket: S3Store, *, impatient: S3Store, redirect: bool) -> None:
        super().__init__(folder)
        self._bucket = bucket
        self._impatient = impatient
        """The same bucket with short timeouts, so that an outage does not block all threads of the API."""
        self._redirect = redirect
        self._background = Background()

    def commit(self, source: Path, location: str) -> None:
        """Upload a file or folder to the bucket. A folder then becomes the local copy."""
        target = self.local_path(location)
        if source.is_file():
            with _naming_outages():
                put_file(self._bucket, location, source)
            source.unlink()
            return
        self._put_folder(source, location)
        if source != target:
            with naming_a_full_disk():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(target, ignore_errors=True)
                source.rename(target)

    def commit_checkpoint(self, folder: Path) -> "Future[None]":
        """Upload a checkpoint in the background, from hard links that outlive its deletion by its program."""
        snapshot = folder.with_name(f".outgoing-{uuid.uuid4().hex}")
        try:
            shutil.copytree(folder, snapshot, copy_function=os.link)
        except OSError as error:
            shutil.rmtree(snapshot, ignore_errors=True)
            failed: Future[None] = Future()
            failed.set_exception(StorageError(f"Cannot link the files of {folder.name}: {error}."))
            return failed
        location = self.location_of(folder)

        def work() -> None:
            try:
                self._put_folder(snapshot, location)
            finally:
                shutil.rmtree(snapshot, ignore_errors=True)

        future = self._background.submit(work)
        future.add_done_callback(lambda _: shutil.rmtree(snapshot, ignore_errors=True))  # if it was cancelled
        return future

    def fetch_file(self, location: str, promised: FileDigest) -> Path:
        """Fetch a file, unless it is complete locally."""
        path = self.local_path(location)
        if promised.fits(path):
            return path
        arriving = path.with_name(f".arriving-{uuid.uuid4().hex}")
        try:
            with naming_a_full_disk():
                path.parent.mkdir(parents=True, exist_ok=True)
                with _naming_outages(location):
                    found = download(self._bucket, location, arriving)
                promised.require(found, name=location)
                arriving.replace(path)
        finally:
            arriving.unlink(missing_ok=True)
        return path

    def fetch_folder(self, location: str, promised: Mapping[str, FileDigest] | None = None) -> Path:
        """Fetch the files of a folder that are missing or damaged locally, and its manifest last."""
        manifest = self._manifest(location)
        for name, digest in {**files_of(parse(manifest)), **(promised or {})}.items():
            self.fetch_file(f"{location}/{name}", digest)
        folder = self.local_path(location)
        arriving = folder / f".arriving-{uuid.uuid4().hex}"
        with naming_a_full_disk():
            folder.mkdir(parents=True, exist_ok=True)
            arriving.write_bytes(manifest)
            arriving.replace(folder / MANIFEST)
        return folder

    def size_of(self, location: str) -> int:
        """Size of a file in bytes."""
        with _naming_outages(location):
            return int(obstore.head(self._impatient, location)["size"])

    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield a file's bytes from `start` up to `stop`, in pieces."""
        if start >= stop:
            return
        with _naming_outages(location):
            found = obstore.get(self._bucket, location, options={"range": (start, stop)})
            yield from found.stream(min_chunk_size=_PIECE_BYTES)

    def signed_url(self, location: str) -> str | None:
        """A presigned URL, unless the settings make the API send files itself."""
        return obstore.sign(self._bucket, "GET", location, _SIGNED_FOR) if self._redirect else None

    def delete(self, location: str) -> None:
        """Remove a folder's objects, its manifest first, and the local copy."""
        shutil.rmtree(self.deletable_path(location), ignore_errors=True)
        with _naming_outages():
            self._delete_objects(list(self._objects(location)))

    def delete_later(self, locations: Sequence[str]) -> "Future[None]":
        """Remove folders in the background. What cannot be removed is left as garbage."""

        def work() -> None:
            for location in locations:
                try:
                    self.delete(location)
                except StorageError as error:
                    _log.warning("Cannot remove the objects below %s: %s", location, error)

        return self._background.submit(work)

    def entries(self, folder: str) -> Sequence[Entry]:
        """List the entries directly below `uploads`, `corpora` or `encoders`, in bucket and folder."""
        newest = {self.location_of(path): at for path, at in entries_in(self.local_path(folder))}
        with _naming_outages():
            for batch in obstore.list(self._bucket, folder):
                for found in batch:
                    location, at = "/".join(str(found["path"]).split("/")[:2]), found["last_modified"]
                    newest[location] = max(newest.get(location, at), at)
        return [Entry(location, at) for location, at in newest.items()]

    def clear(self, location: str, *, keep: Collection[str] = ()) -> Freed:
        """Remove objects and local copies except for the locations to `keep`. Both count as freed."""
        here = clear(self.deletable_path(location), {self.local_path(kept) for kept in keep})
        with _naming_outages():
            sizes = self._objects(location)
            kept = tuple(f"{kept}/" for kept in keep)
            going = [name for name in sizes if not name.startswith(kept)]
            self._delete_objects(going)
        return here + Freed(len(going), sum(sizes[name] for name in going))

    def is_gone(self, location: str) -> bool:
        """Always False: objects do not disappear by themselves."""
        return False

    def checkpoints_of(self, job_id: str) -> Sequence[str]:
        """Locations of the checkpoints of a job's attempts in the bucket."""
        with _naming_outages():
            names = list(self._objects(self.location_of(self.job_folder(job_id))))
        matches = (_CHECKPOINT.fullmatch(name) for name in names)
        return sorted({match[1] for match in matches if match is not None})

    def checkpoint_manifest(self, location: str) -> dict[str, Any]:
        """The manifest, if each object that it lists exists with its size. Fetching checks the digests."""
        try:
            manifest = parse(self._manifest(location))
            with _naming_outages():
                sizes = self._objects(location)
            for name, promised in files_of(manifest).items():
                if (found := sizes.get(f"{location}/{name}")) != promised.size_bytes:
                    raise ArtifactError(f"{name} has {found} bytes instead of {promised.size_bytes}.")
        except ArtifactError as error:
            raise CheckpointError(f"Checkpoint {location} is damaged: {error}") from error
        return manifest

    def forget(self, job_id: str) -> None:
        """Remove the local copies of checkpoints. The program's logs stay."""
        for folder in self.job_folder(job_id).glob("attempt_*/checkpoints"):
            shutil.rmtree(folder, ignore_errors=True)

    def check_writable(self) -> None:
        """Write and remove a small test file, locally and in the bucket, with short timeouts."""
        super().check_writable()
        name = f".probe-{uuid.uuid4().hex}"
        with _naming_outages():
            put_bytes(self._impatient, name, b"signforge")
            obstore.delete(self._impatient, name)

    def _put_folder(self, folder: Path, location: str) -> None:
        """Upload the files first, the manifest last."""
        own = folder / MANIFEST
        manifest = own.read_bytes() if own.exists() else json.dumps(describe(folder), indent=1).encode()
        with _naming_outages():
            for name in files_of(parse(manifest)):
                put_file(self._bucket, f"{location}/{name}", folder / name)
            put_bytes(self._bucket, f"{location}/{MANIFEST}", manifest)

    def _manifest(self, location: str) -> bytes:
        with _naming_outages(f"{location}/{MANIFEST}"):
            return bytes(obstore.get(self._bucket, f"{location}/{MANIFEST}").bytes())

    def _delete_objects(self, names: Sequence[str]) -> None:
        """Delete manifests first, so that a half-deleted folder does not look complete."""
        manifests = [name for name in names if name.endswith(f"/{MANIFEST}")]
        others = [name for name in names if not name.endswith(f"/{MANIFEST}")]
        for some in (manifests, others):
            if some:
                obstore.delete(self._bucket, some)

    def _objects(self, location: str) -> dict[str, int]:
        """Sizes of all objects below a location."""
        batches = obstore.list(self._bucket, location)
        return {str(found["path"]): int(found["size"]) for batch in batches for found in batch}


@contextmanager
def _naming_outages(wanted: str | None = None) -> Iterator[None]:
    """Convert obstore's errors. A missing object is an `ArtifactError` if it is `wanted`, else an outage."""
    try:
        yield
    except FileNotFoundError as error:
        if wanted is not None:
            raise ArtifactError(f"There is nothing at {wanted} in the object store.") from error
        raise StorageAway(_advice(error)) from error
    except BaseError as error:
        raise StorageAway(_advice(error)) from error


def _advice(error: Exception) -> str:
    """The message of an outage: the first line of the error, without the library's debug output."""
    cause = str(error).split("\n", 1)[0].strip().rstrip(".")
    return (
        f"The object store cannot be used: {cause}. Check that it is up, and check SIGNFORGE_ARTIFACTS_URL "
        "and SIGNFORGE_S3_..."
    )
