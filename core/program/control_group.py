"""Resource limits of this process from its control group (cgroup): CPU, memory, out-of-memory kills."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def available_cores(*, cgroup: Path = _CGROUP) -> int:
    """Return the number of cores available by CPU affinity and the container's quota, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _quota(cgroup)))


def out_of_memory_kills(*, cgroup: Path = _CGROUP, own: Path = _OWN) -> int:
    """Return the number of out-of-memory kills in our control group (version 2); 0 if not available.

    If this number rises while a program is killed by SIGKILL, the program ran out of memory.
    """
    try:
        group = own.read_text().strip().rpartition("::")[2].lstrip("/")
        events = (cgroup / group / "memory.events").read_text()
    except OSError:
        return 0
    counts = dict(line.split() for line in events.splitlines())
    return int(counts.get("oom_kill", 0))


def memory_quota(*, cgroup: Path = _CGROUP, own: Path = _OWN) -> int | None:
    """Return the smallest memory limit of our group and those above it, in bytes; None without a limit."""
    limits = [limit for folder in _groups(cgroup, own) if (limit := _memory_limit(folder)) is not None]
    return min(limits, default=None)


def _groups(cgroup: Path, own: Path) -> list[Path]:
    """Return our group's folder (version 2), those above it, and that of version 1."""
    try:
        group = own.read_text().strip().rpartition("::")[2].lstrip("/")
    except OSError:
        group = ""
    mine = Path(group)
    return [cgroup / mine, *(cgroup / above for above in mine.parents), cgroup / "memory"]


def _memory_limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            return int((folder / name).read_text())
        except (OSError, ValueError):  # no such file, or "max": no limit
            continue
    return None


def _quota(cgroup: Path) -> int:
    """Return the CPU quota in whole cores, from `cpu.max` (version 2) or `cpu.cfs_quota_us` (version 1)."""
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
