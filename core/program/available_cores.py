"""How many processor cores this process may use."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_cores(*, cgroup: Path = _CGROUP) -> int:
    """Cores that the scheduler and the container's quota leave to this process, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _quota(cgroup)))


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
