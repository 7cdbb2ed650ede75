"""A limited process and those that it starts get no more memory than that."""

import subprocess
import sys

import pytest

from core.program.memory_limit import SMALLEST_LIMIT, default_limit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process' memory")

TAKE = """
import subprocess, sys
from core.program.memory_limit import limit_memory, memory_limit
assert memory_limit() is None
limit_memory({limit})
assert memory_limit() == {limit}
limit_memory(2 * {limit})
assert memory_limit() == {limit}, "a limit is never raised"
taken = bytearray({taken})
child = [sys.executable, "-c", "from core.program.memory_limit import memory_limit; print(memory_limit())"]
print(subprocess.run(child, capture_output=True, text=True, check=True).stdout)
"""


def take(num_bytes: int, *, limit: int) -> "subprocess.CompletedProcess[str]":
    code = TAKE.format(limit=limit, taken=num_bytes)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_process_gets_no_more_than_its_limit() -> None:
    done = take(2**26, limit=2**28)
    assert done.stdout.strip() == str(2**28), done.stderr
    assert "MemoryError" in take(2**29, limit=2**28).stderr


def test_the_default_is_half_of_the_memory() -> None:
    assert default_limit() >= SMALLEST_LIMIT
