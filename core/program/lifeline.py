"""Runs a module in a process that ends when its parent ends.

    python -m core.program.lifeline PARENT_PROCESS_ID MODULE [ARGUMENT ...]

The new process ties itself to its parent and then becomes the module. The child asks for this itself when it
starts, so nothing runs between fork and exec in a parent that has threads.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


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
    """Tie this process to its parent, then become the module."""
    parent, module, *rest = arguments
    die_with_parent(signal.SIGKILL, parent=int(parent))
    die_with_input(signal.SIGKILL)
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _await_end_of_input(number: signal.Signals) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main(sys.argv[1:])
