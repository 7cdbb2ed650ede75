"""What this process may use by its control group (cgroup), and whether that ran out: cores and memory."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def available_cores(*, cgroup: Path = _CGROUP) -> int:
    """Cores that the scheduler and the container's quota leave to this process, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _quota(cgroup)))


def out_of_memory_kills(*, cgroup: Path = _CGROUP, own: Path = _OWN) -> int:
    """How many processes of our control group (version 2) were killed so far; 0 where nobody counts.

    A program that was killed by SIGKILL while this number rose ran out of memory.
    """
    try:
        group = own.read_text().strip().rpartition("::")[2].lstrip("/")
        events = (cgroup / group / "memory.events").read_text()
    except OSError:
        return 0
    counts = dict(line.split() for line in events.splitlines())
    return int(counts.get("oom_kill", 0))


def _quota(cgroup: Path) -> int:
    """Whole cores worth of time that `cpu.max` (version 2) or `cpu.cfs_quota_us` (version 1) grants."""
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            folder = cgroup / "cpu"
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        share = float(quota) / float(period)
    except (OSError, ValueError):  # no control group, or "max": no limit
        return os.cpu_count() or 1
    return math.ceil(share) if share > 0 else os.cpu_count() or 1
