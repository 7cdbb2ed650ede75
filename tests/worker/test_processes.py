"""Processes that die with their parent, and the search for marked processes."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.servers.starting import REPOSITORY, wait_for
from worker.processes import MARK, end_all, marked

pytestmark = pytest.mark.system
SLEEP = "import threading; threading.Event().wait()"
PARENT = f"""
import os, subprocess, sys
command = [sys.executable, "-m", "core.program.lifeline", str(os.getpid()), "tests.worker.programs.sleeping"]
print(subprocess.Popen(command, stdin=subprocess.PIPE).pid, flush=True)
{SLEEP}
"""


@pytest.fixture
def mark() -> Iterator[str]:
    """A fresh mark; nothing that carries it outlives the test."""
    fresh = uuid.uuid4().hex
    yield fresh
    assert end_all(fresh)


@contextmanager
def run(program: str, mark: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Python code that carries `mark`, for the length of a with block."""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_launched_program_is_killed_with_its_parent(mark: str) -> None:
    with run(PARENT, mark) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        wait_for(lambda: "sleeping" in str(child.cmdline()), within_seconds=10, what="the start")
        parent.kill()
    wait_for(lambda: not marked(mark), within_seconds=5, what="the child's end")


def test_a_program_whose_parent_is_already_gone_does_not_start(mark: str) -> None:
    orphan = [sys.executable, "-m", "core.program.lifeline", "1", "tests.worker.programs.sleeping"]
    done = subprocess.run(orphan, cwd=REPOSITORY, stdin=subprocess.DEVNULL, timeout=20, check=False)
    assert done.returncode == -signal.SIGKILL


def test_all_that_carry_a_mark_are_found_and_ended_whatever_their_session(mark: str) -> None:
    command = f"[sys.executable, '-c', {SLEEP!r}]"
    twins = f"import subprocess, sys; subprocess.Popen({command}, start_new_session=True); {SLEEP}"
    with run(twins, mark) as first, run(SLEEP, mark) as second, run(SLEEP, "another") as stranger:
        wait_for(lambda: len(marked(mark)) == 3, within_seconds=10, what="three processes")
        assert end_all(mark, spare={second.pid})
        assert [process.pid for process in marked(mark)] == [second.pid]
        assert first.wait(5) == -signal.SIGKILL
        assert stranger.poll() is None
