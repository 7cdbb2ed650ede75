"""The devices of this worker: its CUDA devices from NVML, else its CPU cores. Does not import torch."""

import os
import platform
from importlib.metadata import version
from typing import Any

import psutil

from core.jobs.workers import Capacity
from core.program.control_group import available_cores
from worker.devices import cuda_devices


def capacity() -> Capacity:
    """The devices visible to a program started here, with names, memory and versions."""
    machine = {
        "host_memory_bytes": psutil.virtual_memory().total,
        "cores": available_cores(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "signforge": version("signforge"),
    }
    devices = _visible(cuda_devices())
    if devices:
        return Capacity("cuda", len(devices), {**machine, "devices": devices})
    return Capacity("cpu", available_cores(), {**machine, "devices": [platform.processor() or "cpu"]})


def _visible(devices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The devices that `CUDA_VISIBLE_DEVICES` selects by index or by prefix of their id."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return devices
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    return [
        device
        for device in devices
        if any(name == str(device["index"]) or device["id"].startswith(name) for name in names)
    ]
