"""Manifests: the files of a folder with their sizes and digests, as JSON in the folder's `manifest.json`.

A folder is whole when every file that its manifest lists is there and holds what the manifest says. A program
writes the manifests of its checkpoints; an object store makes one for each other folder it is given.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self

from core.errors import ArtifactError, CheckpointError

MANIFEST = "manifest.json"


class FileDigest(NamedTuple):
    """What a file must be: its size in bytes and its sha256 in hexadecimal."""

    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a file and say what it is."""
        with path.open("rb") as file:
            return cls(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())

    def require(self, found: "FileDigest", *, name: str) -> None:
        """Compare with what was found.

        Raises:
            ArtifactError: it differs.
        """
        if found.size_bytes != self.size_bytes:
            raise ArtifactError(f"{name} has {found.size_bytes} bytes instead of {self.size_bytes}.")
        if found.sha256 != self.sha256:
            raise ArtifactError(f"{name} does not have the digest that was noted when it was stored.")

    def fits(self, path: Path) -> bool:
        """Whether there is such a file at `path`; read only if its size is right."""
        try:
            return path.stat().st_size == self.size_bytes and FileDigest.of(path) == self
        except OSError:
            return False


def describe(folder: Path) -> dict[str, Any]:
    """Make the manifest of a folder by reading all its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    found = {path.relative_to(folder).as_posix(): FileDigest.of(path) for path in files}
    return {
        "files": {name: {"bytes": file.size_bytes, "sha256": file.sha256} for name, file in found.items()}
    }


def files_of(manifest: Mapping[str, Any]) -> dict[str, FileDigest]:
    """The files that a manifest lists.

    Raises:
        ArtifactError: it is no manifest, or names a file outside its folder.
    """
    try:
        files = {
            str(name): FileDigest(int(file["bytes"]), str(file["sha256"]))
            for name, file in manifest["files"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"That is no manifest: {error!r}.") from None
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ArtifactError(f"The manifest lists {name!r}, which is outside its folder.")
    return files


def parse(text: bytes) -> dict[str, Any]:
    """Read a manifest.

    Raises:
        ArtifactError: it is no manifest.
    """
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"That is no manifest: {error}.") from None
    files_of(manifest)
    return dict(manifest)


def size_of(manifest: Mapping[str, Any]) -> int:
    """Bytes of all files that a manifest lists."""
    return sum(file.size_bytes for file in files_of(manifest).values())


def verify(folder: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint folder, having read and compared every file.

    Raises:
        CheckpointError: a file is missing, has another size or another digest.
    """
    try:
        manifest = parse((folder / MANIFEST).read_bytes())
        for name, promised in files_of(manifest).items():
            promised.require(FileDigest.of(folder / name), name=name)
    except (OSError, ArtifactError) as error:
        raise CheckpointError(f"Checkpoint {folder.name} is damaged: {error}") from error
    return manifest
