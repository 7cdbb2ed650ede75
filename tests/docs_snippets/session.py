"""A shell or a Python that runs one block after the other and keeps its state, as a terminal does."""

import os
import selectors
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

BLOCK_SECONDS = 300.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MARK = "\x1eend of block\x1e"

_SHELL = ["bash", "--norc", "-eu"]
_WITH_CTRL_C = ("env", "--default-signal=INT")
"""A test run that itself is in the background ignores Ctrl-C, and its children would too."""
_PYTHON = """
import sys
names = {"__name__": "__main__"}
for line in sys.stdin:
    path = line.strip()
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), names)
    print(%r, flush=True)
"""


class BlockError(AssertionError):
    """A block failed, or printed something else; says what it printed."""


class Session:
    """An interpreter in `folder`; `language` is sh or python."""

    def __init__(self, language: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._language = language
        self._script = folder / f".block.{language}"
        self._process = subprocess.Popen(
            _SHELL if language == "sh" else [sys.executable, "-c", _PYTHON % _MARK],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, code: str) -> str:
        """Run a block and return what it printed.

        Raises:
            BlockError: it failed, or did not end in time.
        """
        self._script.write_text(code, encoding="utf-8")
        sourced = f"source {self._script} </dev/null; printf '%s\\n' '{_MARK}'"
        assert self._process.stdin is not None
        self._process.stdin.write(f"{sourced if self._language == 'sh' else self._script}\n".encode())
        self._process.stdin.flush()
        return self._read_until_mark()

    def close(self) -> None:
        """End the interpreter."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()

    def _read_until_mark(self) -> str:
        assert self._process.stdout is not None
        said, deadline = b"", time.monotonic() + BLOCK_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while _MARK.encode() not in said:
                has_ended = self._process.poll() is not None
                if selector.select(timeout=_POLL_SECONDS):
                    said += (chunk := os.read(self._process.stdout.fileno(), 65536))
                    has_ended = not chunk
                if has_ended:
                    raise BlockError(f"The block failed. It printed:\n{said.decode()}")
                if time.monotonic() > deadline:
                    raise BlockError(f"No end after {BLOCK_SECONDS:g} s. It printed:\n{said.decode()}")
        return said.decode().partition(_MARK)[0]


class Background:
    """A command that keeps running, as in a second terminal, until the page ends; then it gets Ctrl-C."""

    def __init__(self, code: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._log = folder / f".background-{uuid.uuid4().hex}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_WITH_CTRL_C, "bash", "--norc", "-c", code],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (folder / ".background.pid").write_text(str(self._process.pid))

    def wait_until(self, text: str) -> str:
        """Wait until it has printed `text`, and return what it has printed.

        Raises:
            BlockError: it ended before, or does not print it in time.
        """
        deadline = time.monotonic() + BLOCK_SECONDS
        while text not in (said := self._log.read_text(encoding="utf-8")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BlockError(f"It did not print {text!r}. It printed:\n{said}")
            time.sleep(_POLL_SECONDS)
        return said

    def close(self) -> None:
        """Send Ctrl-C to the command and wait for its end; kill it where it does not come."""
        if self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
