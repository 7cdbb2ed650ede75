"""A run's checkpoints: saved in the background, told of when they are on disk, the newest kept."""

from pathlib import Path
from types import TracebackType

from core.errors import StorageError
from core.observer import Observer
from core.training.background_saving import BackgroundSaver, SavedCheckpoint
from core.training.checkpoint import Checkpoint


class CheckpointKeeper:
    """Saves into `folder` and keeps the newest `keep`; leaving its with block waits for the disk."""

    def __init__(self, folder: Path, observer: Observer, *, keep: int) -> None:
        self._saver = BackgroundSaver(folder)
        self._observer, self._keep = observer, keep
        self._told: int | None = None

    def save(self, checkpoint: Checkpoint) -> None:
        """Begin to save. A full disk costs this checkpoint, not the run: the next one may find room."""
        self.tell(wait=True)
        self._saver.save(checkpoint)

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Save, unless this step is saved already, and return when it is on disk.

        Raises:
            StorageError: the disk is full.
        """
        self.tell(wait=True)
        if checkpoint.step != self._told:
            self._saver.save(checkpoint)
            self._tell_of(self._saver.wait())

    def tell(self, *, wait: bool = False) -> None:
        """Tell the observer of the checkpoint under way, if it is on disk or could not be written."""
        try:
            self._tell_of(self._saver.wait() if wait else self._saver.finished())
        except StorageError as error:
            self._observer.on_log(f"{error} Training goes on; the next checkpoint tries again.")

    def _tell_of(self, saved: SavedCheckpoint | None) -> None:
        if saved is not None:
            self._told = saved.step
            self._observer.on_checkpoint(saved.path, step=saved.step)
            self._saver.keep_newest(self._keep)

    def __enter__(self) -> "CheckpointKeeper":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._saver.close()
