"""What a forked process does to be like one that was started fresh."""

import atexit
import os
import runpy
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from core.program.appearance import show_command


def run_module(module: str, arguments: Sequence[str]) -> NoReturn:
    """Run a module as this process' program, under its own command line, and end the process with it."""
    show_command([sys.executable, "-m", module, *arguments])
    sys.argv = [module, *arguments]
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    with suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader has closed the pipe
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
