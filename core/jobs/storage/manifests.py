"""Manifests (`manifest.json`): the files of a folder with their sizes and digests.

A folder is complete when every file in its manifest exists with that size and digest. Programs write the
manifests of their checkpoints. The bucket store makes one for every other folder.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self

from core.errors import ArtifactError, CheckpointError

MANIFEST = "manifest.json"


class FileDigest(NamedTuple):
    """The expected content of a file: its size in bytes and its sha256 in hexadecimal."""

    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Compute the digest of a file."""
        with path.open("rb") as file:
            return cls(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())

    def require(self, found: "FileDigest", *, name: str) -> None:
        """Compare with a computed digest.

        Raises:
            ArtifactError: size or sha256 differ.
        """
        if found.size_bytes != self.size_bytes:
            raise ArtifactError(f"{name} has {found.size_bytes} bytes instead of {self.size_bytes}.")
        if found.sha256 != self.sha256:
            raise ArtifactError(
                f"{name} has the sha256 digest {found.sha256} instead of {self.sha256}, which was recorded "
                "when it was stored."
            )

    def fits(self, path: Path) -> bool:
        """Whether the file at `path` matches. It is read only if its size matches."""
        try:
            return path.stat().st_size == self.size_bytes and FileDigest.of(path) == self
        except OSError:
            return False


def describe(folder: Path) -> dict[str, Any]:
    """Build the manifest of a folder by reading all its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    found = {path.relative_to(folder).as_posix(): FileDigest.of(path) for path in files}
    return {
        "files": {name: {"bytes": file.size_bytes, "sha256": file.sha256} for name, file in found.items()}
    }


def files_of(manifest: Mapping[str, Any]) -> dict[str, FileDigest]:
    """The files that a manifest lists.

    Raises:
        ArtifactError: it is not a manifest, or names a file outside its folder.
    """
    try:
        files = {
            str(name): FileDigest(int(file["bytes"]), str(file["sha256"]))
            for name, file in manifest["files"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{MANIFEST} is not a valid manifest: {error!r}.") from None
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ArtifactError(f"The manifest lists {name!r}, which is outside its folder.")
    return files


def parse(text: bytes) -> dict[str, Any]:
    """Parse a manifest.

    Raises:
        ArtifactError: it is not a manifest.
    """
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"{MANIFEST} is not valid JSON: {error}.") from None
    files_of(manifest)
    return dict(manifest)


def size_of(manifest: Mapping[str, Any]) -> int:
    """Total size of the files that a manifest lists, in bytes."""
    return sum(file.size_bytes for file in files_of(manifest).values())


def verify(folder: Path) -> dict[str, Any]:
    """Verify every file of a checkpoint folder and return its manifest.

    Raises:
        CheckpointError: a file is missing, or its size or digest differs.
    """
    try:
        manifest = parse((folder / MANIFEST).read_bytes())
        for name, promised in files_of(manifest).items():
            promised.require(FileDigest.of(folder / name), name=name)
    except (OSError, ArtifactError) as error:
        raise CheckpointError(f"Checkpoint {folder.name} is damaged: {error}") from error
    return manifest
