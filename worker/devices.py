"""The CUDA devices of this machine and who is on them, as NVML tells; none where there is no driver."""

from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

AnswerT = TypeVar("AnswerT")


def cuda_devices() -> list[dict[str, Any]]:
    """All CUDA devices of this machine: index, id, name and memory; none where there is no driver."""
    return _ask_nvml(lambda: [_describe(index) for index in range(pynvml.nvmlDeviceGetCount())], [])


def processes_on_devices() -> set[int]:
    """Ids of the processes that hold memory on any CUDA device of this machine."""
    return _ask_nvml(_all_process_ids, set())


def _all_process_ids() -> set[int]:
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    return {
        int(process.pid)
        for handle in handles
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    }


def _describe(index: int) -> dict[str, Any]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return {
        "index": index,
        "id": pynvml.nvmlDeviceGetUUID(handle),
        "name": pynvml.nvmlDeviceGetName(handle),
        "memory_bytes": int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    }


def _ask_nvml(ask: Callable[[], AnswerT], otherwise: AnswerT) -> AnswerT:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver: no device
        return otherwise
    try:
        return ask()
    finally:
        pynvml.nvmlShutdown()
