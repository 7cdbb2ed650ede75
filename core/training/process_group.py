"""Process group of a distributed run: rendezvous and collective operations, one rank per device.

`RankPlace` is read from the environment, which `torchrun` or our launcher sets. `joined` connects the ranks
to a `RankGroup`. `SingleRank` has the same interface for a run on one device.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from core.contrast.gather import gather_clips

RENDEZVOUS = "SIGNFORGE_RENDEZVOUS"
"""Environment variable with the rendezvous URL of our launcher's ranks; `torchrun` uses MASTER_ADDR."""
_TIMEOUT = timedelta(days=1)
"""Long, because the ranks wait while rank 0 writes a large checkpoint. Failed ranks are not detected by this
timeout: the launcher ends all ranks when one ends, and the supervisor ends a run without progress."""


@dataclass(frozen=True)
class RankPlace:
    """The rank of this process in the run, and its local rank on the machine."""

    rank: int
    num_ranks: int
    local_rank: int
    rendezvous: str = "env://"

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "RankPlace | None":
        """Read RANK, WORLD_SIZE and LOCAL_RANK; None if one of them or the rendezvous is not set."""
        meets = RENDEZVOUS in environment or {"MASTER_ADDR", "MASTER_PORT"} <= environment.keys()
        if not meets or not {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= environment.keys():
            return None
        rank, num_ranks, local_rank = (
            int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        )
        return cls(rank, num_ranks, local_rank, environment.get(RENDEZVOUS, "env://"))


class SingleRank:
    """A run on one device, without communication."""

    rank = 0
    num_ranks = 1
    all_reduce: Callable[[Tensor], None] | None = None
    """Sums a tensor over all ranks, in place; None for a single rank."""

    def own_clips(self, batch_size: int) -> slice:
        """Return the positions of this rank's clips in a step's whole batch."""
        share = batch_size // self.num_ranks
        return slice(self.rank * share, (self.rank + 1) * share)

    def shared(self, model: nn.Module) -> Callable[..., Any]:
        """Return `model` for training, with gradients averaged over all ranks."""
        return model

    def gather(self, clips: Float[Tensor, "S B D"]) -> Float[Tensor, "S N D"]:
        """Gather the rows of all ranks' clips, in the order of the whole batch, without gradient."""
        return clips

    def mean(self, values: Tensor) -> Tensor:
        """Average over all ranks."""
        return values

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; all ranks get the same answer."""
        return flag

    def wait_for_all(self) -> None:
        """Wait until every rank has called this (barrier)."""


class RankGroup(SingleRank):
    """Several connected ranks. All ranks must call every method, in the same order."""

    def __init__(self, place: RankPlace, *, host: dist.ProcessGroup | None) -> None:
        self.rank, self.num_ranks = place.rank, place.num_ranks
        self.all_reduce = _sum_over_ranks
        self._host = host
        """Group for host communication that does not wait for CUDA devices; None on CPUs."""

    def shared(self, model: nn.Module) -> Callable[..., Any]:
        """Wrap `model` in DistributedDataParallel, with the same bucket order in every run.

        DDP reorders its buckets after the first backward pass. With three or more ranks the order determines
        the order of summation, so a resumed run would not be bit-identical. A backward pass of zeros fixes
        the order before the first step.
        """
        parallel = DistributedDataParallel(_Called(model), forward_sync_buffers=False)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        zero: Tensor = parallel(lambda: torch.stack([each.sum() for each in trained]).sum() * 0)
        zero.backward()
        return partial(parallel, model)

    def gather(self, clips: Float[Tensor, "S B D"]) -> Float[Tensor, "S N D"]:
        """Gather with one collective call."""
        return gather_clips(clips, num_ranks=self.num_ranks)

    def mean(self, values: Tensor) -> Tensor:
        """All-reduce the sum and divide by the number of ranks."""
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.num_ranks

    def any(self, flag: bool) -> bool:
        """All-reduce the flag between hosts."""
        raised = torch.tensor(int(flag))
        dist.all_reduce(raised, op=dist.ReduceOp.MAX, group=self._host)
        return bool(raised)

    def wait_for_all(self) -> None:
        """Barrier, as an all-reduce between hosts."""
        self.any(False)


class _Called(nn.Module):
    """Calls a given function, so that DistributedDataParallel can wrap any computation with a model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[..., Any], *arguments: object) -> Any:
        return work(*arguments)


def _sum_over_ranks(values: Tensor) -> None:
    dist.all_reduce(values)


@contextmanager
def joined(place: RankPlace, device: torch.device) -> Iterator[RankGroup]:
    """Join the process group, with NCCL on CUDA and gloo on CPUs.

    The group is destroyed only on success. A failed rank keeps its connections until it has reported its
    error, so that connection errors of the other ranks come later.
    """
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if on_cuda else "gloo",
        init_method=place.rendezvous,
        rank=place.rank,
        world_size=place.num_ranks,
        timeout=_TIMEOUT,
        device_id=device if on_cuda else None,
    )
    host = dist.new_group(backend="gloo", timeout=_TIMEOUT) if on_cuda else None
    yield RankGroup(place, host=host)
    dist.destroy_process_group()
