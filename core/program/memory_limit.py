"""Limits the private memory of a process, so that a file that takes too much fails its job, not the machine.

The kernel counts what the process has asked for and may write (RLIMIT_DATA). It does not count address space
that a library only reserves, files, and devices. Only Linux does this; elsewhere there is no limit.
"""

import os
import sys

from core.program.control_group import memory_quota

SMALLEST_LIMIT = 2**30
"""Bytes. Less than half of it is taken when PyTorch is loaded and the allocator has its reserve."""


def memory_here() -> int:
    """Return the memory of this machine or container, in bytes."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine, memory_quota() or machine)


def default_limit() -> int:
    """Return half of the memory of this machine or container, at least `SMALLEST_LIMIT`, in bytes."""
    return max(SMALLEST_LIMIT, memory_here() // 2)


def limit_memory(num_bytes: int) -> None:
    """Limit this process, and each process that it starts, to `num_bytes`: more raises MemoryError."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def memory_limit() -> int | None:
    """Return the limit of this process in bytes; None if it has none."""
    if sys.platform != "linux":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if soft == resource.RLIM_INFINITY else soft
