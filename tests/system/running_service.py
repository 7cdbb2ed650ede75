"""`signforge up` as a process of its own, as a person would start it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from core.kernels.library import cache_folder
from signforge.client import Client
from signforge.embedded.children import wait_until

_STOP_SECONDS = 60.0


class RunningService:
    """Context manager: starts the service on `folder` and a free port, and returns when it is ready."""

    def __init__(self, folder: Path, *, inside: Sequence[str] = (), **settings: str) -> None:
        self.folder = folder
        self._inside = inside
        self._settings = settings
        self.said = ""

    def __enter__(self) -> Self:
        self._process = start_up(
            "--data", str(self.folder), "--port", "0", inside=self._inside, **self._settings
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line
            if "signforge is ready" in line:
                break
        else:
            raise AssertionError(f"the service did not start: {self.said}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.stop()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def client(self) -> Client:
        url = (self.folder / "address").read_text().strip()
        return Client(url, (self.folder / "api_key").read_text().strip())

    @property
    def process_id(self) -> int:
        """Of `signforge up` itself."""
        return self._process.pid

    def processes(self) -> list[psutil.Process]:
        """The service's processes, all generations."""
        head = psutil.Process(self._process.pid)
        return [head, *head.children(recursive=True)]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self._process.send_signal(number)
        try:
            return self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


def start_up(*words: str, inside: Sequence[str] = (), **settings: str) -> subprocess.Popen[str]:
    """Start `signforge up` with these words and settings, and none of the caller's own settings.

    `inside` is a command that becomes the command given after it, such as `nice`. Kernels are built once for
    all services.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIGNFORGE_")}
    settings = {"cache_folder": str(cache_folder()), **settings}
    return subprocess.Popen(
        [*inside, sys.executable, "-m", "signforge.cli", "up", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**inherited, **{f"SIGNFORGE_{name.upper()}": value for name, value in settings.items()}},
    )


def none_left(processes: list[psutil.Process], *, seconds: float = 20.0) -> bool:
    """Whether all of `processes` end within some seconds; a zombie has ended."""
    return wait_until(lambda: not any(_lives(process) for process in processes), seconds=seconds)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
