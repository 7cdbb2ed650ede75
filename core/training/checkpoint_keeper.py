"""Checkpoint management of a run: background saving, reporting, and deletion by the retention policy."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from core.errors import StorageError
from core.program.observer import Observer
from core.program.retention import Candidate, superfluous
from core.specs.run import RunConfig
from core.training.background_saving import BackgroundSaver, SavedCheckpoint
from core.training.checkpoint import Checkpoint, checkpoints_in, step_of


class CheckpointKeeper:
    """Saves checkpoints into `folder` and deletes those that the settings of `run` do not keep.

    With `run` None nothing is deleted. Leaving the with block waits for the disk.
    """

    def __init__(self, folder: Path, observer: Observer, *, run: RunConfig | None) -> None:
        self._saver = BackgroundSaver(folder)
        self._folder, self._observer, self._run = folder, observer, run
        self._last_reported: int | None = None
        self._value: float | None = None
        self._values: dict[int, float | None] = {}

    def note(self, metrics: Mapping[str, float]) -> None:
        """Record the newest metrics, of which `keep_best` may name one."""
        name = self._run.keep_best if self._run is not None else None
        if name is not None and name in metrics:
            self._value = metrics[name]

    def save(self, checkpoint: Checkpoint) -> None:
        """Start saving. If the disk is full, this checkpoint is skipped and the run continues."""
        self.report_saved(wait=True)
        self._save(checkpoint)

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Save, unless this step is already saved, and wait until it is on disk.

        Raises:
            StorageError: the disk is full.
        """
        self.report_saved(wait=True)
        if checkpoint.step != self._last_reported:
            self._save(checkpoint)
            self._report(self._saver.wait())

    def report_saved(self, *, wait: bool = False) -> None:
        """Report the current checkpoint to the observer if it was written, or log why it was not."""
        try:
            self._report(self._saver.wait() if wait else self._saver.finished())
        except StorageError as error:
            self._observer.on_log(f"{error} Training continues, and the next checkpoint is tried again.")

    def _report(self, saved: SavedCheckpoint | None) -> None:
        if saved is not None:
            self._last_reported = saved.step
            self._observer.on_checkpoint(saved.path, step=saved.step)
            self._delete_old()

    def _save(self, checkpoint: Checkpoint) -> None:
        self._values[checkpoint.step] = self._value
        self._saver.save(checkpoint)

    def _delete_old(self) -> None:
        if self._run is None:
            return
        paths = list(reversed(checkpoints_in(self._folder)))
        candidates = [Candidate(step := step_of(path), self._values.get(step)) for path in paths]
        self._saver.delete([paths[index] for index in superfluous(candidates, self._run)])

    def __enter__(self) -> "CheckpointKeeper":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._saver.close()
