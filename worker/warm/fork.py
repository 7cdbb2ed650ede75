"""What a forked process does to be like one that was started fresh."""

import os
import runpy
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from core.program.appearance import show_command
from core.program.frame import finish


def move(descriptor: int, target: int) -> None:
    """Make a descriptor the process' descriptor `target`, such as 1 for its standard output."""
    os.dup2(descriptor, target)
    os.close(descriptor)


def run_module(module: str, arguments: Sequence[str]) -> NoReturn:
    """Run a module as this process' program, under its own command line, and end the process with it."""
    show_command([sys.executable, "-m", module, *arguments])
    if "numpy.random" in sys.modules:  # or unseeded draws were the same in every fork
        sys.modules["numpy.random"].seed()
    sys.argv = [module, *arguments]
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the end of an interpreter does
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    finish(code if isinstance(code, int) else int(code is not None))
