"""An attacker in its own process, and looks at /healthz during the attack."""

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ATTACKER = Path(__file__).with_name("attacker.py")
_PAUSE_SECONDS = 0.05


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


class Looks:
    """Looks at /healthz, each on a new connection, and the seconds that each took."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.seconds: list[float] = []

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Look every 50 ms while the block runs."""
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=[over])
        thread.start()
        yield
        over.set()
        thread.join()

    def _look(self, over: threading.Event) -> None:
        while not over.wait(_PAUSE_SECONDS):
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            connection.close()
            self.seconds.append(time.perf_counter() - began)
