"""Bounds the memory that a test may take: a reader that takes more fails the test, not the machine."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 2**20


@contextmanager
def memory_within(num_bytes: int) -> Iterator[None]:
    """Within this context the process gets at most `num_bytes` more of private memory, else MemoryError.

    The kernel counts what is asked for (RLIMIT_DATA), so that memory that was freed before is no bound; keep
    `num_bytes` far above what is right, and what is wrong far above `num_bytes`. The test skips where no
    kernel does that.
    """
    if sys.platform != "linux":
        pytest.skip("only Linux bounds the private memory of a process")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_private_bytes() + num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _private_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))
