"""Checkpoints on their way into the store, while their program goes on."""

import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import CheckpointError
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import verify


class Delivery(NamedTuple):
    """A checkpoint that is on its way, or has arrived."""

    step: int
    location: str
    manifest: dict[str, Any]
    future: "Future[None]"


class Deliveries:
    """One checkpoint after another; where the store is slower than the program, the newest goes first."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._under_way: list[Delivery] = []
        self._deletions: list[Future[None]] = []

    def send(self, folder: Path, step: int) -> str | None:
        """Verify a checkpoint and send it off; returns what to say if it is not fit to be kept."""
        try:
            manifest = verify(folder)
        except CheckpointError as error:  # unless the program has already replaced it by a newer one
            return f"The checkpoint of step {step} is not kept: {error}" if folder.is_dir() else None
        for waiting in self._under_way:
            waiting.future.cancel()
        future = self._store.commit_checkpoint(folder)
        self._under_way.append(Delivery(step, self._store.location_of(folder), manifest, future))
        return None

    def collect(self) -> tuple[list[Delivery], list[str]]:
        """Those that have arrived since this was last asked, and what to say about those that did not."""
        ended = [delivery for delivery in self._under_way if delivery.future.done()]
        self._under_way = [delivery for delivery in self._under_way if not delivery.future.done()]
        arrived = [delivery for delivery in ended if _trouble(delivery) is None]
        for delivery in ended:
            if _trouble(delivery) is not None:  # nobody will have a row for it
                shutil.rmtree(self._store.local_path(delivery.location), ignore_errors=True)
        return arrived, [said for delivery in ended if (said := _trouble(delivery)) is not None]

    def delete(self, locations: Sequence[str]) -> None:
        """Have checkpoints removed whose rows say that they are."""
        if not locations:
            return
        self._deletions = [deletion for deletion in self._deletions if not deletion.done()]
        self._deletions.append(self._store.delete_later(locations))

    @property
    def busy(self) -> bool:
        """Whether anything is still under way, there or back."""
        return not all(future.done() for future in (*(d.future for d in self._under_way), *self._deletions))


def _trouble(delivery: Delivery) -> str | None:
    if delivery.future.cancelled():
        return (
            f"The checkpoint of step {delivery.step} is passed over: storing takes longer than making them."
        )
    if (error := delivery.future.exception()) is not None:
        return f"The checkpoint of step {delivery.step} is not stored, the next one may be: {error}"
    return None
