"""Checkpoints: a folder that is complete or not there.

Files are written into a staging folder, digested on the way, and fsynced, then the manifest with their sizes
and digests, then the folder is renamed into place and its parent fsynced. A reader that finds the name finds
everything.
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
    """Tensors by file (`model`, `optimiser`), and the facts to check before going on from them."""

    step: int
    tensors: Mapping[str, dict[str, torch.Tensor]]
    facts: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write `folder`/step_00000123 whole, and return it.

    Raises:
        StorageError: the disk is full; nothing of this checkpoint is left, earlier ones are untouched.
    """
    final = folder / f"{_PREFIX}{checkpoint.step:08d}"
    staging = folder / f".staging_{final.name}"
    shutil.rmtree(staging, ignore_errors=True)
    with _full_disk_is_named(staging):
        staging.mkdir(parents=True)
        _write_manifest(staging, checkpoint, _write_files(staging, checkpoint))
        _fsync(staging)
        if final.exists():  # an earlier attempt at the same step; the same bytes
            shutil.rmtree(final)
        staging.rename(final)
        _fsync(folder)
    return final


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint after comparing every file with the manifest.

    Raises:
        CheckpointError: a file is missing or is not what was written; it is named.
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
    """Compare every file with the manifest.

    Raises:
        CheckpointError: one differs or is missing.
    """
    for name, expected in manifest["files"].items():
        file = path / name
        if not file.is_file() or _described(file) != expected:
            raise CheckpointError(f"{file} is damaged: it is not what the manifest describes.")


def checkpoints_in(folder: Path) -> list[Path]:
    """Complete checkpoints below `folder`, the newest first."""
    return sorted((path for path in folder.glob(f"{_PREFIX}*") if (path / MANIFEST).is_file()), reverse=True)


def step_of(path: Path) -> int:
    """The step in a checkpoint folder's name."""
    return int(path.name.removeprefix(_PREFIX))


def delete_checkpoints(paths: Iterable[Path]) -> None:
    """Delete these; one that is gone already is no failure."""
    for path in paths:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)


def _write_files(staging: Path, checkpoint: Checkpoint) -> dict[str, WrittenFile]:
    """Write every file of tensors, each in a thread of its own; digests and the disk take turns that way."""
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
def _full_disk_is_named(staging: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if is_disk_full(error):
            raise StorageError(
                f"No room for a checkpoint in {staging.parent}: {error}. Free some space or raise the quota; "
                "earlier checkpoints are untouched."
            ) from None
        raise
