"""CUDA devices of this machine and the processes on them, from NVML. Empty without a driver."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import pynvml

_log = logging.getLogger(__name__)
AnswerT = TypeVar("AnswerT")


def cuda_devices() -> list[dict[str, Any]]:
    """All CUDA devices of this machine: index, id, name and memory. Empty without a driver."""
    return _ask_nvml(lambda: [_describe(index) for index in range(pynvml.nvmlDeviceGetCount())], [])


def processes_on_devices() -> set[int]:
    """Ids of the processes that hold memory on any CUDA device of this machine."""
    return _ask_nvml(_all_process_ids, set())


def _all_process_ids() -> set[int]:
    found = set[int]()
    for index in range(pynvml.nvmlDeviceGetCount()):
        with suppress(pynvml.NVMLError):  # a lost device, or a driver without this function
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            found |= {int(each.pid) for each in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    return found


def _describe(index: int) -> dict[str, Any]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return {
        "index": index,
        "id": pynvml.nvmlDeviceGetUUID(handle),
        "name": pynvml.nvmlDeviceGetName(handle),
        "memory_bytes": _memory_of(handle),
    }


def _memory_of(handle: Any) -> int | None:
    """Memory of a device in bytes. None if it shares the host's memory and the driver reports no size."""
    with suppress(pynvml.NVMLError):
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    return None


def _ask_nvml(ask: Callable[[], AnswerT], otherwise: AnswerT) -> AnswerT:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver: no device
        return otherwise
    try:
        return ask()
    except pynvml.NVMLError as error:
        _log.warning("NVML query failed: %s", error)
        return otherwise
    finally:
        pynvml.nvmlShutdown()
