"""Checkpoint folders, written atomically and verified by SHA-256.

Files are written into a staging folder, hashed while writing, and fsynced. Then the manifest with their sizes
and digests is written. Last, the folder is renamed into place and its parent fsynced. A folder with the final
name is therefore complete.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from core.errors import CheckpointError, StorageError, is_disk_full
from core.training.tensor_file import WrittenFile, write_tensors

MANIFEST = "manifest.json"
_PREFIX = "step_"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by file (`model`, `optimiser`), and facts that are checked before resuming."""

    step: int
    tensors: Mapping[str, dict[str, torch.Tensor]]
    facts: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write `folder`/step_00000123 atomically and return its path.

    Raises:
        StorageError: the disk is full; nothing of this checkpoint is left, earlier ones are untouched.
    """
    final = folder / f"{_PREFIX}{checkpoint.step:08d}"
    staging = folder / f".staging_{final.name}"
    shutil.rmtree(staging, ignore_errors=True)
    with _disk_full_as_storage_error(staging):
        staging.mkdir(parents=True)
        _write_manifest(staging, checkpoint, _write_files(staging, checkpoint))
        _fsync(staging)
        if final.exists():  # from an earlier attempt, with the same bytes
            shutil.rmtree(final)
        staging.rename(final)
        _fsync(folder)
    return final


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint after verifying every file against the manifest.

    Raises:
        CheckpointError: a file is missing or damaged; the message names it.
    """
    manifest = read_manifest(path)
    verify_checkpoint(path, manifest)
    tensors = {Path(name).stem: load_file(path / name) for name in manifest["files"]}
    return Checkpoint(step=manifest["step"], tensors=tensors, facts=manifest["facts"])


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a checkpoint's manifest.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text())
        manifest["files"], manifest["step"], manifest["facts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is not a checkpoint: its {MANIFEST} cannot be read ({error})."
        ) from None
    return manifest


def verify_checkpoint(path: Path, manifest: Mapping[str, Any]) -> None:
    """Verify the size and digest of every file against the manifest.

    Raises:
        CheckpointError: a file differs or is missing.
    """
    for name, expected in manifest["files"].items():
        file = path / name
        if not file.is_file() or _described(file) != expected:
            raise CheckpointError(
                f"{file} is missing or damaged: its size or SHA-256 differs from the manifest. Resume from "
                "another checkpoint."
            )


def checkpoints_in(folder: Path) -> list[Path]:
    """List the complete checkpoints below `folder`, the newest first."""
    return sorted((path for path in folder.glob(f"{_PREFIX}*") if (path / MANIFEST).is_file()), reverse=True)


def step_of(path: Path) -> int:
    """Return the step in a checkpoint folder's name."""
    return int(path.name.removeprefix(_PREFIX))


def delete_checkpoints(paths: Iterable[Path]) -> None:
    """Delete these checkpoints; missing ones are ignored."""
    for path in paths:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)


def _write_files(staging: Path, checkpoint: Checkpoint) -> dict[str, WrittenFile]:
    """Write every tensor file in its own thread, so that hashing and disk writes overlap."""
    paths = {staging / f"{name}.safetensors": tensors for name, tensors in checkpoint.tensors.items()}
    with ThreadPoolExecutor(max_workers=len(paths)) as pool:
        written = list(pool.map(write_tensors, paths, paths.values()))
    return {path.name: file for path, file in zip(paths, written, strict=True)}


def _write_manifest(staging: Path, checkpoint: Checkpoint, files: Mapping[str, WrittenFile]) -> None:
    listed = {name: _entry(file.num_bytes, file.sha256) for name, file in files.items()}
    manifest = {"step": checkpoint.step, "facts": checkpoint.facts, "files": listed}
    (staging / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    _fsync(staging / MANIFEST)


def _entry(num_bytes: int, sha256: str) -> dict[str, Any]:
    return {"bytes": num_bytes, "sha256": sha256}


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return _entry(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_full_as_storage_error(staging: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if is_disk_full(error):
            raise StorageError(
                f"The disk is full; a checkpoint could not be saved in {staging.parent}: {error}. Free some "
                "space or raise the quota; earlier checkpoints are intact."
            ) from None
        raise
