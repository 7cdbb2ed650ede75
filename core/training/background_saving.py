"""Asynchronous checkpointing: saves checkpoints in a background thread while training continues.

At a step boundary the state is copied into host buffers, at memory speed. A thread then hashes and writes the
copy while the loop takes its next steps. The files have the same bytes as those of `save_checkpoint`, and the
write is atomic.
"""

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import torch
from torch import Tensor

from core.training.checkpoint import Checkpoint, delete_checkpoints, save_checkpoint

_NICENESS = 10
"""The writing thread runs at lower priority than the training threads."""


class SavedCheckpoint(NamedTuple):
    """A checkpoint that is completely on disk."""

    path: Path
    step: int


class BackgroundSaver:
    """Writes one checkpoint at a time below `folder`, in the order given.

    The training loop passes a checkpoint to `save`, polls with `finished` at step boundaries, and calls
    `wait` before the next save or the end. An error of `save_checkpoint` is raised by the next call of
    `finished` or `wait`, in the loop's thread.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._host_copy = HostCopy()
        self._thread = ThreadPoolExecutor(1, "checkpoint", initializer=_lower_priority)
        self._saving: Future[SavedCheckpoint] | None = None
        self._deleting: Future[None] | None = None

    def save(self, checkpoint: Checkpoint) -> None:
        """Copy the state and start writing the copy; the tensors may change as soon as this returns."""
        assert self._saving is None, "call wait or finished before saving the next checkpoint"
        self._saving = self._thread.submit(self._write, self._host_copy.of(checkpoint))

    def finished(self) -> SavedCheckpoint | None:
        """Return the checkpoint that was written since the last call, if any.

        Raises:
            StorageError: the disk is full; nothing of the checkpoint is left, earlier ones are untouched.
        """
        return self.wait() if self._saving is not None and self._saving.done() else None

    def wait(self) -> SavedCheckpoint | None:
        """Wait for the checkpoint that is being written and return it; None if there is none.

        Raises:
            StorageError: the disk is full; nothing of the checkpoint is left, earlier ones are untouched.
        """
        saving, self._saving = self._saving, None
        return None if saving is None else saving.result()

    def delete(self, paths: Sequence[Path]) -> None:
        """Delete these checkpoints in the background, after earlier work."""
        if self._deleting is not None:
            self._deleting.result()  # raises the error of an earlier deletion
        self._deleting = self._thread.submit(delete_checkpoints, paths)

    def close(self) -> None:
        """Wait until the thread has finished; results and errors that were not fetched are discarded."""
        self._thread.shutdown(wait=True)

    def __enter__(self) -> "BackgroundSaver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, checkpoint: Checkpoint) -> SavedCheckpoint:
        return SavedCheckpoint(save_checkpoint(self._folder, checkpoint), checkpoint.step)


class HostCopy:
    """Host buffers for a copy of the training state; allocated once and reused."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, str], Tensor] = {}

    def of(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return the checkpoint with copied tensors; the previous copy is overwritten."""
        tensors = {
            file: {name: self._copied(file, name, tensor) for name, tensor in named.items()}
            for file, named in checkpoint.tensors.items()
        }
        for device in {tensor.device for named in checkpoint.tensors.values() for tensor in named.values()}:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        return Checkpoint(checkpoint.step, tensors, checkpoint.facts)

    def _copied(self, file: str, name: str, tensor: Tensor) -> Tensor:
        buffer = self._buffers.get((file, name))
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            self._buffers[file, name] = buffer
        return buffer.copy_(tensor.detach(), non_blocking=True)


def _lower_priority() -> None:
    """Lower the priority of the calling thread and the threads it starts; only on Linux, per thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
