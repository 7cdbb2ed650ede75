"""Checkpoints are reported once they are on disk; a full disk skips one, unless it is the last."""

from pathlib import Path

import pytest

from core.errors import StorageError
from core.program.observer import SilentObserver
from core.specs.run import RunConfig
from core.training import background_saving
from core.training.checkpoint import Checkpoint, checkpoints_in, load_checkpoint
from core.training.checkpoint_keeper import CheckpointKeeper
from tests.core.training.test_checkpoint import checkpoint


class Told(SilentObserver):
    """Remembers, and looks at each checkpoint it is told of."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.said: list[str] = []

    def on_checkpoint(self, checkpoint: Path, *, step: int) -> None:
        assert load_checkpoint(checkpoint).step == step
        self.steps.append(step)

    def on_log(self, message: str) -> None:
        self.said.append(message)


def test_checkpoints_are_reported_in_order_and_the_newest_kept(tmp_path: Path) -> None:
    told = Told()
    with CheckpointKeeper(tmp_path, told, run=RunConfig(keep_checkpoints=2)) as keeper:
        for step in (1, 2, 3):
            keeper.save(checkpoint(step))
        keeper.save_last(checkpoint(4))
    assert told.steps == [1, 2, 3, 4]
    assert [path.name for path in checkpoints_in(tmp_path)] == ["step_00000004", "step_00000003"]


def test_a_full_disk_skips_a_checkpoint_unless_it_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = background_saving.save_checkpoint

    def full_at_even_steps(folder: Path, saved: Checkpoint) -> Path:
        if saved.step % 2 == 0:
            raise StorageError("No room.")
        return save(folder, saved)

    monkeypatch.setattr(background_saving, "save_checkpoint", full_at_even_steps)
    told = Told()
    with CheckpointKeeper(tmp_path, told, run=RunConfig(keep_checkpoints=5)) as keeper:
        for step in (1, 2, 3):
            keeper.save(checkpoint(step))
        with pytest.raises(StorageError):
            keeper.save_last(checkpoint(4))
    assert told.steps == [1, 3]
    assert told.said == ["No room. Training continues, and the next checkpoint is tried again."]


def test_a_step_that_is_saved_is_not_saved_again_at_the_end(tmp_path: Path) -> None:
    told = Told()
    with CheckpointKeeper(tmp_path, told, run=RunConfig(keep_checkpoints=2)) as keeper:
        keeper.save(checkpoint(3))
        keeper.save_last(checkpoint(3))
    assert told.steps == [3]


def test_what_the_run_asks_to_keep_is_kept(tmp_path: Path) -> None:
    run = RunConfig(keep_checkpoints=1, keep_every_steps=4, keep_best="loss")
    with CheckpointKeeper(tmp_path, Told(), run=run) as keeper:
        for step, loss in enumerate((0.9, 0.1, 0.5, 0.7, 0.6, 0.8), start=1):
            keeper.note({"loss": loss, "accuracy": step})
            keeper.save(checkpoint(step))
        keeper.save_last(checkpoint(7))
    kept = [int(path.name.removeprefix("step_")) for path in checkpoints_in(tmp_path)]
    assert kept == [7, 4, 2], "the newest, every fourth, the best"


def test_with_no_run_to_ask_nothing_is_deleted(tmp_path: Path) -> None:
    with CheckpointKeeper(tmp_path, Told(), run=None) as keeper:
        for step in range(1, 6):
            keeper.save(checkpoint(step))
    assert len(checkpoints_in(tmp_path)) == 5
