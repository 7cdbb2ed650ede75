"""Saving checkpoints while training goes on.

At a step boundary the state is copied into buffers of the host, which takes as long as memory does; a thread
digests and writes the copy while the loop takes its next steps. What reaches the disk is what
`save_checkpoint` writes, byte for byte, and it is there whole or not at all.
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
"""The writing thread gives way to the threads that train."""


class SavedCheckpoint(NamedTuple):
    """A checkpoint that is on disk, whole."""

    path: Path
    step: int


class BackgroundSaver:
    """Writes one checkpoint at a time below `folder`, in the order in which they were given.

    The loop hands a checkpoint over (`save`), asks at its step boundaries whether it is on disk (`finished`),
    and waits (`wait`) before it hands over the next one or ends. A failure is raised by whichever of the two
    is asked next, in the loop's own thread, as `save_checkpoint` would have raised it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._host_copy = HostCopy()
        self._thread = ThreadPoolExecutor(1, "checkpoint", initializer=_give_way)
        self._saving: Future[SavedCheckpoint] | None = None
        self._deleting: Future[None] | None = None

    def save(self, checkpoint: Checkpoint) -> None:
        """Copy the state and begin to write the copy; the tensors may change as soon as this returns."""
        assert self._saving is None, "ask for the checkpoint under way before handing over the next"
        self._saving = self._thread.submit(self._write, self._host_copy.of(checkpoint))

    def finished(self) -> SavedCheckpoint | None:
        """Return the checkpoint that has reached the disk since this was last asked, if any.

        Raises:
            StorageError: the disk is full; nothing of the checkpoint is left, earlier ones are untouched.
        """
        return self.wait() if self._saving is not None and self._saving.done() else None

    def wait(self) -> SavedCheckpoint | None:
        """Wait for the checkpoint under way and return it; None where there is none.

        Raises:
            StorageError: the disk is full; nothing of the checkpoint is left, earlier ones are untouched.
        """
        saving, self._saving = self._saving, None
        return None if saving is None else saving.result()

    def delete(self, paths: Sequence[Path]) -> None:
        """Delete these checkpoints, in the background and in turn."""
        if self._deleting is not None:
            self._deleting.result()  # whatever it could not delete is the caller's to hear
        self._deleting = self._thread.submit(delete_checkpoints, paths)

    def close(self) -> None:
        """Wait until the thread has nothing left to do; what it did and was not asked for stays unsaid."""
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
    """Buffers in the host's memory that hold the newest copy of a state, made once and used again."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, str], Tensor] = {}

    def of(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return the checkpoint with its tensors copied; the copy before this one is overwritten."""
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


def _give_way() -> None:
    """Lower the priority of the calling thread and those it starts; only Linux gives threads their own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
