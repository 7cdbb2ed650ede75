"""Runs a program module in this process, after arranging that it is killed when its parent ends.

`python -m worker.launch PARENT_PROCESS_ID MODULE [ARGUMENT ...]`. The child asks for this itself when it
starts, so nothing runs between fork and exec in a parent that has threads.
"""

import runpy
import signal
import sys
from collections.abc import Sequence

from worker.processes import die_with_input, die_with_parent


def main(arguments: Sequence[str]) -> None:
    """Tie this process to its parent, then become the module."""
    parent, module, *rest = arguments
    die_with_parent(signal.SIGKILL, parent=int(parent))
    die_with_input(signal.SIGKILL)
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
