"""Whether the kernel has killed processes of this container for want of memory."""

from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def kills_for_want_of_memory(*, cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """How many processes of our control group (version 2) were killed so far; 0 where nobody counts.

    A program that was killed by SIGKILL while this number rose ran out of memory.
    """
    try:
        group = own.read_text().strip().rpartition("::")[2].lstrip("/")
        events = (cgroups / group / "memory.events").read_text()
    except OSError:
        return 0
    counts = dict(line.split() for line in events.splitlines())
    return int(counts.get("oom_kill", 0))
