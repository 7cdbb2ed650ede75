"""Starting real servers for tests, and waiting for what they do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
ResultT = TypeVar("ResultT")


def start(
    command: Sequence[object],
    *,
    log: Path,
    user: int | None = None,
    environment: dict[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a program that dies with this process, writing to `log`; from the main thread."""
    whose = os.getuid() if user is None else user
    tied = [sys.executable, "-m", "tests.servers.tied", str(os.getpid()), str(whose), *map(str, command)]
    with log.open("ab") as output:
        return subprocess.Popen(
            tied,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )


def wait_for(look: Callable[[], ResultT | None], *, within_seconds: float, what: str) -> ResultT:
    """Return the first answer of `look` that is neither None nor False, looking every 50 ms."""
    deadline = time.monotonic() + within_seconds
    while True:
        if (answer := look()) is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"{what} did not happen within {within_seconds} s"
        time.sleep(0.05)
