"""Background saving: the same bytes and errors as direct saving, in order, and atomic."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.training.background_saving import BackgroundSaver, SavedCheckpoint
from core.training.checkpoint import Checkpoint, checkpoints_in, load_checkpoint, save_checkpoint

pytestmark = pytest.mark.slow


def state(step: int, *, value: float = 0.0, size: int = 1000) -> Checkpoint:
    tensors = {
        "model": {"weight": torch.full((size,), value), "position": torch.tensor(step)},
        "optimiser": {"weight": torch.full((size // 10, 10), -value)},
    }
    return Checkpoint(step=step, tensors=tensors, facts={"seed": 1, "last_loss": value})


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_bytes_are_those_of_saving_at_once(tmp_path: Path) -> None:
    with BackgroundSaver(tmp_path / "background") as saver:
        saver.save(state(3, value=0.5))
        assert saver.wait() == SavedCheckpoint(tmp_path / "background" / "step_00000003", 3)
    at_once = save_checkpoint(tmp_path / "at_once", state(3, value=0.5))
    assert files_of(tmp_path / "background" / "step_00000003") == files_of(at_once)


def test_the_state_may_change_after_save_returns(tmp_path: Path) -> None:
    given = state(1, value=1.0, size=200_000)
    with BackgroundSaver(tmp_path) as saver:
        saver.save(given)
        for named in given.tensors.values():
            for tensor in named.values():
                tensor.fill_(9)
        saver.wait()
        saver.save(state(2, value=2.0, size=200_000))  # into the same buffers
        saver.wait()
    for step in (1, 2):
        loaded = load_checkpoint(tmp_path / f"step_{step:08d}")
        assert (loaded.tensors["model"]["weight"] == step).all()
        assert loaded.tensors["model"]["position"] == step


def test_a_state_that_grows_gets_buffers_of_its_own_size(tmp_path: Path) -> None:
    """The optimiser has no momentum before its first step."""
    first = Checkpoint(step=0, tensors={"model": state(0).tensors["model"], "optimiser": {}}, facts={})
    with BackgroundSaver(tmp_path) as saver:
        for checkpoint in (first, state(1, size=10), state(2, size=1000)):
            saver.save(checkpoint)
            saver.wait()
    assert load_checkpoint(tmp_path / "step_00000000").tensors["optimiser"] == {}
    assert len(load_checkpoint(tmp_path / "step_00000002").tensors["model"]["weight"]) == 1000


def test_each_checkpoint_is_returned_once(tmp_path: Path) -> None:
    with BackgroundSaver(tmp_path) as saver:
        assert saver.finished() is None
        assert saver.wait() is None
        saver.save(state(1))
        with pytest.raises(AssertionError, match="call wait or finished before"):
            saver.save(state(2))
        assert saver.wait() == SavedCheckpoint(tmp_path / "step_00000001", 1)
        assert saver.wait() is None
        saver.save(state(2))
        told = None
        while told is None:  # as a loop asks at its step boundaries
            told = saver.finished()
        assert told.step == 2
        assert saver.finished() is None


def test_old_ones_are_deleted_in_turn_and_closing_waits(tmp_path: Path) -> None:
    with BackgroundSaver(tmp_path) as saver:
        for step in range(1, 5):
            saver.save(state(step))
            saver.wait()
            saver.delete(checkpoints_in(tmp_path)[2:])
        saver.save(state(5))
    assert [path.name for path in checkpoints_in(tmp_path)] == [f"step_{step:08d}" for step in (5, 4, 3)]


def test_an_error_is_raised_by_wait_and_the_next_save_may_succeed(tmp_path: Path) -> None:
    blocked = tmp_path / "checkpoints"
    blocked.write_text("a file where the folder must be")
    with BackgroundSaver(blocked) as saver:
        saver.save(state(1))
        with pytest.raises(OSError, match="checkpoints"):
            saver.wait()
        blocked.unlink()
        saver.save(state(2))
        assert saver.wait() == SavedCheckpoint(blocked / "step_00000002", 2)


KILLED = """
import os, signal, sys
from pathlib import Path
from core.training.background_saving import BackgroundSaver
from tests.core.training.test_background_saving import state
write, written = os.write, []
def dying(descriptor, content):
    written.append(content)
    if len(written) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(descriptor, content)
with BackgroundSaver(Path(sys.argv[1])) as saver:
    saver.save(state(1))
    saver.wait()
    os.write = dying
    saver.save(state(2, size=5_000_000))
    saver.wait()
"""


def test_a_kill_while_saving_leaves_only_complete_checkpoints(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL
    half = {path.name: path.stat().st_size for path in tmp_path.glob(".staging_step_00000002/*")}
    assert sum(half.values()) > 0, "it died while writing"
    assert [path.name for path in checkpoints_in(tmp_path)] == ["step_00000001"]
    assert load_checkpoint(tmp_path / "step_00000001").step == 1
    save_checkpoint(tmp_path, state(2))  # what it left is not in the way
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000001", "step_00000002"]


FULL = """
import json, sys
from pathlib import Path
from core.errors import StorageError
from core.training.background_saving import BackgroundSaver
from tests.core.training.test_background_saving import state
folder, said = Path(sys.argv[1]), {}
with BackgroundSaver(folder) as saver:
    saver.save(state(1))
    saver.wait()
    saver.save(state(2, size=1_000_000))
    try:
        saver.wait()
    except StorageError as error:
        said = {"message": str(error), "left": [path.name for path in folder.iterdir()]}
    saver.save(state(3))
    print(json.dumps({**said, "next": saver.wait().path.name}))
"""


def can_mount() -> bool:
    return (
        os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_mount(), reason="needs to mount a small tmpfs in a namespace of its own")
def test_a_full_disk_skips_one_checkpoint(tmp_path: Path) -> None:
    mount_and_run = 'mount -t tmpfs -o size=1m none "$1" || exit 99; exec "$2" -c "$3" "$1"'
    command = ["unshare", "-m", "sh", "-c", mount_and_run, "sh", str(tmp_path), sys.executable, FULL]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path.cwd())
    if done.returncode == 99:
        pytest.skip("mounting is not allowed here")
    said = json.loads(done.stdout)
    assert said["left"] == ["step_00000001"]
    assert said["next"] == "step_00000003"
    assert "a checkpoint could not be saved in" in said["message"]
