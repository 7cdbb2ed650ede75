"""A process that is tied to its parent ends with it, however the parent ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.program.lifeline import tied_program
from tests.servers.starting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
STARTS = """if True:
    import subprocess, sys
    from core.program.lifeline import tied_module, tied_program
    {command}
    child = subprocess.Popen(command, stdin=subprocess.PIPE)
    print(child.pid, flush=True)
    child.wait()
"""
SLEEPS = 'command = tied_module("tests.worker.programs.sleeping")'
NOTES_SIGTERM = (
    "import pathlib, signal, sys, time; "
    "signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path(sys.argv[1]).touch(), sys.exit())); "
    "pathlib.Path(sys.argv[2]).touch(); time.sleep(600)"
)


@pytest.fixture
def parents() -> Iterator[list["subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for parent in started:
        parent.kill()
        parent.communicate()


def start(parents: list["subprocess.Popen[str]"], command: str) -> tuple["subprocess.Popen[str]", int]:
    """A parent, and the id of the child that it has started by this command."""
    program = STARTS.format(command=command)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    parents.append(parent)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def test_a_module_is_killed_with_its_parent(parents: list["subprocess.Popen[str]"]) -> None:
    parent, child = start(parents, SLEEPS)
    parent.kill()
    wait_for(lambda: not lives(child), within_seconds=20, what="the end of the module")


def test_a_program_is_asked_to_stop_with_its_parent(
    parents: list["subprocess.Popen[str]"], tmp_path: Path
) -> None:
    stopped, ready = tmp_path / "stopped", tmp_path / "ready"
    words = [sys.executable, "-c", NOTES_SIGTERM, str(stopped), str(ready)]
    parent, child = start(parents, f"command = tied_program(*{words!r})")
    wait_for(ready.exists, within_seconds=20, what="the program")
    assert psutil.Process(child).cmdline() == words, "it has become the program"
    parent.kill()
    wait_for(lambda: not lives(child), within_seconds=20, what="the end of the program")
    assert stopped.exists()


def test_a_program_starts_with_the_usual_signals_and_its_own_options() -> None:
    ignored_by_python = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    shell = ["/bin/sh", "-c", 'grep SigIgn /proc/self/status; echo "$@"', "sh", "--signal", "--exec"]
    told = subprocess.run(tied_program(*shell), capture_output=True, text=True, check=True).stdout
    mask, options = told.splitlines()
    assert int(mask.split()[1], 16) & ignored_by_python == 0
    assert options == "--signal --exec"


def test_a_missing_program_is_reported() -> None:
    ended = subprocess.run(tied_program("/no/such/program"), capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "Cannot start /no/such/program: No such file or directory.\n"


def test_a_child_of_a_dead_parent_does_not_start(tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = tied_program("/usr/bin/touch", str(started))
    command[command.index(str(os.getpid()))] = "1"  # as if its parent had died and init had taken its place
    assert subprocess.run(command, check=False).returncode == -signal.SIGTERM
    assert not started.exists()


def lives(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
