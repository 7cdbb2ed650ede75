"""Devices and capabilities of a worker."""

import psutil
import pytest

from core.program.control_group import available_cores
from worker import capabilities, devices


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
