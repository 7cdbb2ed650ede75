"""Runs a module or a program in a process that ends when its parent ends.

    python -m core.program.lifeline PARENT_PROCESS_ID MODULE [ARGUMENT ...]
    python -m core.program.lifeline --exec --signal SIGTERM PARENT_PROCESS_ID PROGRAM [ARGUMENT ...]

The new process sets its parent-death signal and then runs the module or the program. The child does this
itself, so that nothing runs between fork and exec in a parent with threads.
"""

import argparse
import ctypes
import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


def tied_module(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a Python module which is killed when this process, its parent, ends."""
    return [sys.executable, "-m", "core.program.lifeline", str(os.getpid()), module, *arguments]


def tied_program(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program by its path; it gets SIGTERM when this process ends.

    This works on Linux only; elsewhere the program outlives a parent that is killed.
    """
    own = ("--exec", "--signal", "SIGTERM", str(os.getpid()))
    return [sys.executable, "-m", "core.program.lifeline", *own, program, *arguments]


def die_with_parent(number: signal.Signals, *, parent: int) -> None:
    """Send this process signal `number` when its parent, process `parent`, ends or has already ended.

    On Linux the signal is sent when the parent's thread that started this process ends: start it from the
    main thread.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(code)}")
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def die_with_input(number: signal.Signals) -> None:
    """Send this process signal `number` when its standard input closes, on systems without prctl."""
    if sys.platform != "linux":
        threading.Thread(target=_await_end_of_input, args=(number,), daemon=True).start()


def main(arguments: Sequence[str]) -> None:
    """Tie this process to its parent, then run the module or the program."""
    options = _parser().parse_args(arguments)
    die_with_parent(options.signal, parent=options.parent)
    if options.exec:
        _exec(options.name, options.arguments)
    die_with_input(options.signal)
    sys.argv = [options.name, *options.arguments]
    runpy.run_module(options.name, run_name="__main__", alter_sys=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lifeline", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--signal", type=signal.Signals.__getitem__, default=signal.SIGKILL)
    parser.add_argument("--exec", action="store_true", help="run a program instead of a module")
    parser.add_argument("parent", type=int)
    parser.add_argument("name")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _exec(program: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process, keeping its parent-death signal; restore the default signal handlers first."""
    for name in _IGNORED_BY_PYTHON:
        signal.signal(signal.Signals[name], signal.SIG_DFL)
    try:
        os.execv(program, [program, *arguments])  # noqa: S606 - exec without a shell is intended
    except OSError as error:
        sys.exit(f"Cannot start {program}: {error.strerror}.")


def _await_end_of_input(number: signal.Signals) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main(sys.argv[1:])
