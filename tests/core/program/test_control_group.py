"""Control groups: CPU quotas of both versions, and out-of-memory kills."""

import os
from pathlib import Path

import pytest

from core.program.control_group import available_cores, memory_quota, out_of_memory_kills

ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", ALLOWED), ("50000 100000", 1), ("150000 100000", min(2, ALLOWED)), ("nonsense", ALLOWED)],
)
def test_a_version_2_quota(tmp_path: Path, limit: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert available_cores(cgroup=tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [(-1, ALLOWED), (100000, 1)])
def test_a_version_1_quota(tmp_path: Path, quota: int, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(cgroup=tmp_path) == cores


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert available_cores(cgroup=tmp_path) == ALLOWED


def test_kills_are_counted_for_our_control_group(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/service/worker\n")
    group = tmp_path / "service" / "worker"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("low 0\nhigh 3\nmax 9\noom 2\noom_kill 2\n")
    assert out_of_memory_kills(cgroup=tmp_path, own=own) == 2
    assert out_of_memory_kills(cgroup=tmp_path / "elsewhere", own=own) == 0
    assert out_of_memory_kills() >= 0


def test_the_smallest_memory_limit_above_us_counts(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/service/worker\n")
    (tmp_path / "service" / "worker").mkdir(parents=True)
    assert memory_quota(cgroup=tmp_path, own=own) is None
    (tmp_path / "service" / "worker" / "memory.max").write_text("max\n")
    assert memory_quota(cgroup=tmp_path, own=own) is None
    (tmp_path / "service" / "memory.max").write_text("5000\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("7000\n")
    assert memory_quota(cgroup=tmp_path, own=own) == 5000
    assert memory_quota(cgroup=tmp_path / "memory", own=tmp_path / "none") == 7000
