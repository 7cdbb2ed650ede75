"""Device selection: the device of a process and the number of devices of a run."""

import os

import torch

from core.errors import SpecError
from core.program.control_group import available_cores
from core.specs.pretraining import PretrainConfig
from core.specs.run import RunConfig


def choose_device(config: PretrainConfig, *, local_rank: int = 0) -> torch.device:
    """Return the device of `run.device`; `auto` uses CUDA if it is available.

    `local_rank`: index of the rank on this machine; rank i uses CUDA device i.

    Raises:
        SpecError: CUDA is requested but not available, or there are fewer devices than ranks.
    """
    wanted, num_visible = config.run.device, torch.cuda.device_count()
    if wanted == "cuda" and not num_visible:
        raise SpecError(
            "run.device is 'cuda', but this machine has no CUDA device; use 'auto' or 'cpu'.",
            pointer="/overrides/run/device",
        )
    if wanted == "cpu" or not num_visible:
        return torch.device("cpu")
    if local_rank >= num_visible:
        raise _too_few(local_rank + 1, num_visible)
    return torch.device("cuda", local_rank)


def num_ranks_here(config: PretrainConfig) -> int:
    """Return the number of devices of this machine that `run.num_devices` requests.

    Raises:
        SpecError: it is above the number of CUDA devices or, on a CPU, of cores.
    """
    if choose_device(config).type == "cuda":
        return num_cuda_ranks(config.run, num_visible=torch.cuda.device_count())
    wanted = 1 if config.run.num_devices == "auto" else config.run.num_devices
    if wanted > available_cores():
        raise SpecError(
            f"run.num_devices is {wanted}, but the run is on the CPU, where {available_cores()} core(s) are "
            "available; lower it, or set it to 'auto'.",
            pointer="/overrides/run/num_devices",
        )
    return wanted


def num_cuda_ranks(run: RunConfig, *, num_visible: int) -> int:
    """Return the number of CUDA ranks; `auto` uses as many visible devices as divide the batch size.

    Raises:
        SpecError: more devices are requested than are visible.
    """
    if run.num_devices == "auto":
        return max(count for count in range(1, num_visible + 1) if run.batch_size % count == 0)
    if run.num_devices > num_visible:
        raise _too_few(run.num_devices, num_visible)
    return run.num_devices


def check_num_ranks(run: RunConfig, num_ranks: int) -> None:
    """Check the number of ranks against the specification.

    Raises:
        SpecError: the specification requests another number, or the batch size is not divisible by it.
    """
    if run.num_devices not in ("auto", num_ranks):
        raise SpecError(
            f"run.num_devices is {run.num_devices}, but the run was started with {num_ranks} rank(s). Start "
            "it with `python -m core.training.pretrain`, which starts the requested number, or set it to "
            "'auto'.",
            pointer="/overrides/run/num_devices",
        )
    if run.batch_size % num_ranks:
        raise SpecError(
            f"run.batch_size {run.batch_size} (clips per step over all devices) cannot be divided equally "
            f"among {num_ranks} ranks; set it to a multiple, or start another number of ranks.",
            pointer="/overrides/run/batch_size",
        )


def threads_per_rank(num_ranks: int) -> int:
    """Return an equal share of the threads that this process would use alone."""
    return max(1, torch.get_num_threads() // num_ranks)


def be_deterministic(wanted: bool) -> None:
    """Turn PyTorch's deterministic algorithms on or off for the whole process.

    `torch.use_deterministic_algorithms` does the same, but loads the compiler first, which takes as long as
    PyTorch itself. The compiler, where it is used, is told by `Engine.prepare`.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS, read at first use
    torch.set_deterministic_debug_mode("error" if wanted else "default")
    # Filling every new tensor costs a pass over memory, and our tensors are always fully written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _too_few(wanted: int, num_visible: int) -> SpecError:
    return SpecError(
        f"{wanted} CUDA devices are requested, but {num_visible} are visible; lower run.num_devices.",
        pointer="/overrides/run/num_devices",
    )
