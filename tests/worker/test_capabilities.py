"""What a worker offers, and how a kill for want of memory is told."""

from pathlib import Path

import psutil
import pytest

from core.program.available_cores import available_cores
from worker import capabilities, devices
from worker.attempt.memory import kills_for_want_of_memory


def has_cuda() -> bool:
    return bool(devices.cuda_devices())


@pytest.mark.skipif(has_cuda(), reason="there is a CUDA device")
def test_without_cuda_a_worker_offers_its_cores() -> None:
    offered = capabilities.capacity()
    assert (offered.device, offered.num_devices) == ("cpu", available_cores())
    assert offered.details["host_memory_bytes"] == psutil.virtual_memory().total
    assert offered.details["torch"].startswith("2.")
    assert devices.processes_on_devices() == set()


@pytest.mark.gpu
@pytest.mark.skipif(not has_cuda(), reason="there is no CUDA device")
def test_with_cuda_it_offers_the_devices_it_may_see(monkeypatch: pytest.MonkeyPatch) -> None:
    every = devices.cuda_devices()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    offered = capabilities.capacity()
    assert (offered.device, offered.num_devices) == ("cuda", 1)
    assert offered.details["devices"] == every[:1]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", every[0]["id"])
    assert capabilities.capacity() == offered
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert capabilities.capacity().device == "cpu"


def test_kills_are_counted_for_our_control_group(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/service/worker\n")
    group = tmp_path / "service" / "worker"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("low 0\nhigh 3\nmax 9\noom 2\noom_kill 2\n")
    assert kills_for_want_of_memory(cgroups=tmp_path, own=own) == 2
    assert kills_for_want_of_memory(cgroups=tmp_path / "elsewhere", own=own) == 0
    assert kills_for_want_of_memory() >= 0
