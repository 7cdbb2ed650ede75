"""Runs a module or a program in a process that ends when its parent ends.

    python -m core.program.lifeline PARENT_PROCESS_ID MODULE [ARGUMENT ...]
    python -m core.program.lifeline --exec --signal SIGTERM PARENT_PROCESS_ID PROGRAM [ARGUMENT ...]

The new process ties itself to its parent and then becomes the module or the program. The child asks for this
itself when it starts, so nothing runs between fork and exec in a parent that has threads.
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
    """The command that runs a Python module, killed when this process, its parent, ends."""
    return [sys.executable, "-m", "core.program.lifeline", str(os.getpid()), module, *arguments]


def tied_program(program: str, *arguments: str) -> list[str]:
    """The command that runs a program by its path, asked to stop (SIGTERM) when this process ends.

    Only Linux ties it; elsewhere it outlives a parent that is killed.
    """
    own = ("--exec", "--signal", "SIGTERM", str(os.getpid()))
    return [sys.executable, "-m", "core.program.lifeline", *own, program, *arguments]


def die_with_parent(number: signal.Signals, *, parent: int) -> None:
    """Have this process receive `number` when its parent, process `parent`, ends, even if it already has.

    The request is tied to the parent's thread that started this process; start from a main thread.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(code)}")
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def die_with_input(number: signal.Signals) -> None:
    """Have this process receive `number` when its standard input closes, where the system has no prctl."""
    if sys.platform != "linux":
        threading.Thread(target=_await_end_of_input, args=(number,), daemon=True).start()


def main(arguments: Sequence[str]) -> None:
    """Tie this process to its parent, then become the module or the program."""
    options = _parser().parse_args(arguments)
    die_with_parent(options.signal, parent=options.parent)
    if options.exec:
        _become(options.name, options.arguments)
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


def _become(program: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process, which keeps its tie; signals are handled as in a process that a shell starts."""
    for name in _IGNORED_BY_PYTHON:
        signal.signal(signal.Signals[name], signal.SIG_DFL)
    try:
        os.execv(program, [program, *arguments])  # noqa: S606 - that is its purpose
    except OSError as error:
        sys.exit(f"Cannot start {program}: {error.strerror}.")


def _await_end_of_input(number: signal.Signals) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main(sys.argv[1:])
