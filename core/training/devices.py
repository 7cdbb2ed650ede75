"""On which devices a run goes on, and how many of them share its steps."""

import os

import torch

from core.errors import SpecError
from core.program.control_group import available_cores
from core.specs.pretraining import PretrainConfig
from core.specs.run import RunConfig


def choose_device(config: PretrainConfig, *, local_rank: int = 0) -> torch.device:
    """The device that `run.device` asks for; `auto` takes CUDA where there is one.

    `local_rank`: which of this machine's ranks asks; the first takes the first CUDA device.

    Raises:
        SpecError: CUDA is asked for and there is none, or there are fewer than ranks.
    """
    wanted, num_visible = config.run.device, torch.cuda.device_count()
    if wanted == "cuda" and not num_visible:
        raise SpecError(
            "run.device is 'cuda', but there is no CUDA device here; use 'auto' or 'cpu'.",
            pointer="/overrides/run/device",
        )
    if wanted == "cpu" or not num_visible:
        return torch.device("cpu")
    if local_rank >= num_visible:
        raise _too_few(local_rank + 1, num_visible)
    return torch.device("cuda", local_rank)


def num_ranks_here(config: PretrainConfig) -> int:
    """How many devices of this machine `run.num_devices` asks for.

    Raises:
        SpecError: more CUDA devices, or more processes on a CPU, than there are devices or cores.
    """
    if choose_device(config).type == "cuda":
        return num_cuda_ranks(config.run, num_visible=torch.cuda.device_count())
    wanted = 1 if config.run.num_devices == "auto" else config.run.num_devices
    if wanted > available_cores():
        raise SpecError(
            f"run.num_devices is {wanted}, but the run is on the CPU, which has {available_cores()} core(s) "
            "for it; lower it, or leave it 'auto'.",
            pointer="/overrides/run/num_devices",
        )
    return wanted


def num_cuda_ranks(run: RunConfig, *, num_visible: int) -> int:
    """`auto` takes as many visible devices as the batch can be divided among.

    Raises:
        SpecError: more are asked for than are visible.
    """
    if run.num_devices == "auto":
        return max(count for count in range(1, num_visible + 1) if run.batch_size % count == 0)
    if run.num_devices > num_visible:
        raise _too_few(run.num_devices, num_visible)
    return run.num_devices


def check_num_ranks(run: RunConfig, num_ranks: int) -> None:
    """See that there are as many ranks as the specification asks for.

    Raises:
        SpecError: it asks for another number, or the batch cannot be divided among these.
    """
    if run.num_devices not in ("auto", num_ranks):
        raise SpecError(
            f"run.num_devices is {run.num_devices}, but the run has {num_ranks} rank(s) here, a process "
            "each. `python -m core.training.pretrain` starts as many as are asked for; or set it to 'auto'.",
            pointer="/overrides/run/num_devices",
        )
    if run.batch_size % num_ranks:
        raise SpecError(
            f"run.batch_size {run.batch_size} (clips per step over all devices) cannot be divided equally "
            f"among {num_ranks} ranks; make it a multiple, or start another number.",
            pointer="/overrides/run/batch_size",
        )


def threads_per_rank(num_ranks: int) -> int:
    """An equal share of the threads that this process would use alone."""
    return max(1, torch.get_num_threads() // num_ranks)


def be_deterministic(wanted: bool) -> None:
    """Choose PyTorch's algorithms for the whole process."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS, read at first use
    torch.use_deterministic_algorithms(wanted)
    # Filling every new tensor before it is written costs a pass over each; what we make, we write whole.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _too_few(wanted: int, num_visible: int) -> SpecError:
    return SpecError(
        f"{wanted} CUDA devices are asked for, but {num_visible} can be seen here; lower run.num_devices.",
        pointer="/overrides/run/num_devices",
    )
