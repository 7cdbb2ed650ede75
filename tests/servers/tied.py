"""Becomes another program that dies with the process that started it.

`python -m tests.servers.tied PARENT_PROCESS_ID USER_ID PROGRAM ...`; with a user other than its own it
becomes that user first, which only root may.
"""

import os
import signal
import sys

from core.program.lifeline import die_with_parent

if __name__ == "__main__":
    parent, user, program, *rest = sys.argv[1:]
    if int(user) != os.getuid():
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    die_with_parent(signal.SIGKILL, parent=int(parent))
    os.execv(program, [program, *rest])
