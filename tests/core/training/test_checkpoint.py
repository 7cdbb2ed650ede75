"""Checkpoints are atomic and verified; a full disk leaves earlier checkpoints intact."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.errors import CheckpointError, StorageError
from core.training.checkpoint import (
    Checkpoint,
    checkpoints_in,
    delete_checkpoints,
    load_checkpoint,
    save_checkpoint,
)


def checkpoint(step: int, size: int = 4) -> Checkpoint:
    return Checkpoint(step=step, tensors={"model": {"weight": torch.arange(size).float()}}, facts={"seed": 1})


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, checkpoint(7))
    loaded = load_checkpoint(path)
    assert (loaded.step, loaded.facts) == (7, {"seed": 1})
    torch.testing.assert_close(loaded.tensors["model"]["weight"], torch.arange(4.0))
    assert [file.name for file in tmp_path.iterdir()] == ["step_00000007"]


def test_deleting_twice_is_allowed_and_keeps_the_rest(tmp_path: Path) -> None:
    first, *_ = [save_checkpoint(tmp_path, checkpoint(step)) for step in (1, 2, 10)]
    delete_checkpoints([first, first])
    assert [path.name for path in checkpoints_in(tmp_path)] == ["step_00000010", "step_00000002"]


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_a_damaged_file_is_refused_and_named(tmp_path: Path, damage: str) -> None:
    path = save_checkpoint(tmp_path, checkpoint(1))
    file = path / ("manifest.json" if damage == "manifest" else "model.safetensors")
    content = bytearray(file.read_bytes())
    if damage == "remove":
        file.unlink()
    else:
        content[-1] ^= 1 if damage != "manifest" else 0xFF
        file.write_bytes(content[:-3] if damage == "cut" else content)
    with pytest.raises(CheckpointError, match=r"model.safetensors is missing or damaged|not a checkpoint"):
        load_checkpoint(path)


def test_a_folder_without_manifest_is_not_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "step_00000003").mkdir()
    assert checkpoints_in(tmp_path) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from core.errors import StorageError
from tests.core.training.test_checkpoint import checkpoint
from core.training.checkpoint import save_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
save_checkpoint(folder, checkpoint(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
save_checkpoint(folder, checkpoint(2, size=1_000_000))
"""


@pytest.mark.slow
def test_a_failed_write_keeps_the_earlier_checkpoint(tmp_path: Path) -> None:
    """A file-size limit makes the kernel refuse the write in the middle of the file."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert done.returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000001"]
    load_checkpoint(tmp_path / "step_00000001")


def can_mount() -> bool:
    return (
        os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    )


TMPFS = """
mount -t tmpfs -o size=1m none "$1" || exit 99
exec "$2" -c '
import json, sys
from pathlib import Path
from core.errors import StorageError
from core.training.checkpoint import save_checkpoint
from tests.core.training.test_checkpoint import checkpoint
folder = Path(sys.argv[1])
save_checkpoint(folder, checkpoint(1))
try:
    save_checkpoint(folder, checkpoint(2, size=1_000_000))
except StorageError as error:
    print(json.dumps({"message": str(error), "left": [p.name for p in folder.iterdir()]}))
' "$1"
"""


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="needs to mount a small tmpfs in a namespace of its own")
def test_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    command = ["unshare", "-m", "sh", "-c", TMPFS, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path.cwd())
    if done.returncode == 99:
        pytest.skip("mounting is not allowed here")
    said = json.loads(done.stdout)
    assert said["left"] == ["step_00000001"]
    assert "a checkpoint could not be saved in" in said["message"]
    assert issubclass(StorageError, Exception)
