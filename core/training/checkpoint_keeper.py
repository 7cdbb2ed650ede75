"""A run's checkpoints: saved in the background, told of when they are on disk, deleted when superfluous."""

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
    """Saves into `folder`, and deletes there what `run` does not ask to keep; with None, nothing.

    Leaving its with block waits for the disk.
    """

    def __init__(self, folder: Path, observer: Observer, *, run: RunConfig | None) -> None:
        self._saver = BackgroundSaver(folder)
        self._folder, self._observer, self._run = folder, observer, run
        self._told: int | None = None
        self._value: float | None = None
        self._values: dict[int, float | None] = {}

    def note(self, metrics: Mapping[str, float]) -> None:
        """Note the newest numbers, of which `keep_best` may name one."""
        name = self._run.keep_best if self._run is not None else None
        if name is not None and name in metrics:
            self._value = metrics[name]

    def save(self, checkpoint: Checkpoint) -> None:
        """Begin to save. A full disk costs this checkpoint, not the run: the next one may find room."""
        self.report_saved(wait=True)
        self._save(checkpoint)

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Save, unless this step is saved already, and return when it is on disk.

        Raises:
            StorageError: the disk is full.
        """
        self.report_saved(wait=True)
        if checkpoint.step != self._told:
            self._save(checkpoint)
            self._report(self._saver.wait())

    def report_saved(self, *, wait: bool = False) -> None:
        """Tell the observer of the checkpoint under way, if it is on disk or could not be written."""
        try:
            self._report(self._saver.wait() if wait else self._saver.finished())
        except StorageError as error:
            self._observer.on_log(f"{error} Training goes on; the next checkpoint tries again.")

    def _report(self, saved: SavedCheckpoint | None) -> None:
        if saved is not None:
            self._told = saved.step
            self._observer.on_checkpoint(saved.path, step=saved.step)
            self._tidy()

    def _save(self, checkpoint: Checkpoint) -> None:
        self._values[checkpoint.step] = self._value
        self._saver.save(checkpoint)

    def _tidy(self) -> None:
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
