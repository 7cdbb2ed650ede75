"""Run a side of a benchmark in a separate process, with its own memory, allocator and environment.

The process is the benchmark's own program, started with `--side NAME`. It prepares, then does its work once
for each input line, and answers each with a line of JSON. Several such processes alternate; all others are
idle:

    if options.side:
        serve(SIDES[options.side])  # name -> a function that prepares and returns the work
        return
    with SideProcess(__file__, "literal") as literal, SideProcess(__file__, "fast") as fast:
        seconds = interleaved({"literal": literal, "fast": fast}, rounds=9)
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

_STATUS, _CLEAR_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MIB = 1024 * 1024


class SideProcess:
    """Starts `python program --side name *arguments`; a call makes it do its work once.

    `environment` is added to the environment of this process. A call returns seconds, measured by the side.
    `peak_bytes` is the peak resident memory of all rounds.

    Raises:
        RuntimeError: the process ended without an answer; its own message is on standard error.
    """

    def __init__(
        self,
        program: str,
        name: str,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.peak_bytes = 0
        self._process = subprocess.Popen(
            [sys.executable, program, "--side", name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def __enter__(self) -> Self:
        self._answer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __call__(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        done = self._answer()
        self.peak_bytes = max(self.peak_bytes, int(done["bytes"]))
        return done["seconds"]

    def cpu_seconds(self) -> float:
        """Processor time the side has used since its start, of all its threads (Linux)."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"The process of side {self.name!r} ended with status {self._process.wait()}. See its "
                "message on standard error."
            )
        return dict(json.loads(line))


def serve(prepare: Callable[[], Callable[[], object]]) -> None:
    """Run as a side: prepare, then do the work once for each line of input, until end of file.

    Output of the work goes to standard error, because standard output is used for answers.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        work = prepare()
        _answer(answers, 0.0, resident_bytes())
        reset_peak()
        for _ in sys.stdin:
            began = time.perf_counter()
            work()
            _answer(answers, time.perf_counter() - began, peak_bytes())


def resident_bytes() -> int:
    """Return the current resident memory of this process; 0 if the system does not report it."""
    return _status_bytes("VmRSS") or 0


def peak_bytes() -> int:
    """Return the peak resident memory since the start or the last `reset_peak`."""
    return _status_bytes("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak() -> None:
    """Reset the peak to the current resident memory, if the system supports it (Linux)."""
    if _CLEAR_PEAK.exists():
        _CLEAR_PEAK.write_text("5")


def _status_bytes(field: str) -> int | None:
    if not _STATUS.exists():
        return None
    found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _answer(answers: TextIO, seconds: float, resident: int) -> None:
    answers.write(json.dumps({"seconds": seconds, "bytes": resident}) + "\n")
    answers.flush()
