"""An attacker in its own process, and looks at /healthz during the attack."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ATTACKER = Path(__file__).with_name("attacker.py")
_LOOKER = Path(__file__).with_name("looker.py")


class Attack:
    """Begins an attack, and tells how it was answered."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self) -> None:
        """Send the hostile requests, all at once. Does not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write("now\n")
        self._process.stdin.flush()

    def finish(self) -> str:
        """Wait for the answers; returns how many had which status."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def attacker(port: int, key: str, job_id: str) -> Iterator[Attack]:
    """Start an attacker, and wait for its idle connections and readers."""
    command = [sys.executable, str(_ATTACKER), str(port), key, job_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the attacker could not connect"
        yield Attack(process)
        process.stdin.close()
        process.wait(60)


@contextmanager
def looks(port: int) -> Iterator[list[float]]:
    """Look at /healthz every 50 ms while the block runs; the list then has the seconds of each look."""
    seconds: list[float] = []
    command = [sys.executable, str(_LOOKER), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "looking\n"
        yield seconds
        process.stdin.close()
        seconds += json.loads(process.stdout.readline())
