import os
import sys
from pathlib import Path

import pytest

from signforge.embedded import children
from signforge.embedded.children import Child, wait_until
from signforge.embedded.keeper import Keeper

pytestmark = pytest.mark.system


def _child(folder: Path, program: str) -> Child:
    arguments = [sys.executable, "-c", program]
    return Child("sleeper", arguments, log=folder / "sleeper.log", environment=os.environ)


def test_a_child_that_keeps_dying_is_started_at_growing_intervals(tmp_path: Path) -> None:
    child = _child(tmp_path, "print('out of luck'); raise SystemExit(3)")
    child.start()
    keeper, clock, pauses = Keeper(child, started_at=0.0), 0.0, []
    for _ in range(4):
        assert wait_until(lambda: not child.is_running, seconds=10)
        notice, died_at, dead = keeper.check(clock), clock, child.process_id
        assert notice is not None
        assert "stopped with code 3" in notice
        assert "out of luck" in notice
        while child.process_id == dead:
            clock += 0.25
            assert keeper.check(clock) is None, "told once"
        pauses.append(clock - died_at)
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    assert wait_until(lambda: not child.is_running, seconds=10)


def test_a_child_that_lived_long_is_started_soon(tmp_path: Path) -> None:
    child = _child(tmp_path, "pass")
    child.start()
    assert wait_until(lambda: not child.is_running, seconds=10)
    keeper = Keeper(child, started_at=0.0, failures=6)
    assert "in 0.5 s" in (keeper.check(1000.0) or "")


def test_killing_a_child_kills_what_it_started(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, pathlib, time\n"
        f"pid = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(f'{{pid}}\\n')\n"
        "time.sleep(600)"
    )
    child = _child(tmp_path, program)
    child.start()
    assert wait_until(
        lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "", seconds=10
    )
    below = int((tmp_path / "pid").read_text())
    child.kill()
    assert not child.is_running
    assert wait_until(lambda: not _lives(below), seconds=10)


def _lives(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_long_log_is_turned_over_while_its_process_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_LOG_BYTES_KEPT", 1000)
    go = tmp_path / "go"
    child = _child(
        tmp_path,
        "import pathlib, time\n"
        "print('x' * 2000, end='', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\n"
        "print('more', end='', flush=True)\n"
        "time.sleep(600)",
    )
    child.start()
    assert wait_until(lambda: child.log.stat().st_size == 2000, seconds=20)
    child.turn_over_log()
    go.touch()
    assert wait_until(lambda: child.log.read_text() == "more", seconds=20)
    child.turn_over_log()
    assert child.log.read_text() == "more"
    assert child.log.with_suffix(".old.log").read_text() == "x" * 2000
    child.kill()
