"""The ranks of a run, one process per device: how they find each other, and all they ever say.

`RankPlace` is what the environment tells a rank, set by `torchrun` or by our own launcher. `joined` makes the
ranks of that environment a `RankGroup`; `SingleRank` is a run on one device, which talks to nobody.
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
"""Environment variable with the URL where our launcher's ranks meet; `torchrun`'s meet at MASTER_ADDR."""
_PATIENCE = timedelta(days=1)
"""Others wait while rank 0 writes a large checkpoint. Time-outs are not how a death is noticed: whoever
started the ranks ends them all when one ends, and a run that stands still is its supervisor's to end."""


@dataclass(frozen=True)
class RankPlace:
    """Which of a run's ranks this process is, and which of the ranks on its machine."""

    rank: int
    num_ranks: int
    local_rank: int
    rendezvous: str = "env://"

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "RankPlace | None":
        """Read RANK, WORLD_SIZE and LOCAL_RANK; None where they, or a place to meet, are not all set."""
        meets = RENDEZVOUS in environment or {"MASTER_ADDR", "MASTER_PORT"} <= environment.keys()
        if not meets or not {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= environment.keys():
            return None
        rank, num_ranks, local_rank = (
            int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        )
        return cls(rank, num_ranks, local_rank, environment.get(RENDEZVOUS, "env://"))


class SingleRank:
    """A run on one device: there is nobody to talk to."""

    rank = 0
    num_ranks = 1
    all_reduce: Callable[[Tensor], None] | None = None
    """Sums a tensor over all ranks, in place; None where there is only one."""

    def own_clips(self, batch_size: int) -> slice:
        """The positions of this rank's clips in a step's whole batch."""
        share = batch_size // self.num_ranks
        return slice(self.rank * share, (self.rank + 1) * share)

    def shared(self, model: nn.Module) -> Callable[..., Any]:
        """`model` to be called in training, with gradients that are the mean over all ranks."""
        return model

    def gather(self, clips: Float[Tensor, "S B D"]) -> Float[Tensor, "S N D"]:
        """The rows of all ranks' clips, in the order of the whole batch, without gradient."""
        return clips

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all ranks."""
        return values

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; all ranks get the same answer."""
        return flag

    def wait_for_all(self) -> None:
        """Return when every rank has come here."""


class RankGroup(SingleRank):
    """Several ranks. Every method must be called by all of them, in the same order."""

    def __init__(self, place: RankPlace, *, host: dist.ProcessGroup | None) -> None:
        self.rank, self.num_ranks = place.rank, place.num_ranks
        self.all_reduce = _sum_over_ranks
        self._host = host
        """For what the hosts agree on without waiting for their devices; None where they are the devices."""

    def shared(self, model: nn.Module) -> Callable[..., Any]:
        """`model` through DistributedDataParallel, with buckets that are the same in every run.

        DDP orders its buckets anew after its first backward pass. With three ranks or more, their order
        decides whose gradient is added first, so a resumed run would not end with the same bytes. A pass of
        zeros has them ordered before the first step.
        """
        parallel = DistributedDataParallel(_Called(model), forward_sync_buffers=False)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        zero: Tensor = parallel(lambda: torch.stack([each.sum() for each in trained]).sum() * 0)
        zero.backward()
        return partial(parallel, model)

    def gather(self, clips: Float[Tensor, "S B D"]) -> Float[Tensor, "S N D"]:
        """One message for all of them."""
        return gather_clips(clips, num_ranks=self.num_ranks)

    def mean(self, values: Tensor) -> Tensor:
        """The sum, divided."""
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.num_ranks

    def any(self, flag: bool) -> bool:
        """One number from host to host."""
        raised = torch.tensor(int(flag))
        dist.all_reduce(raised, op=dist.ReduceOp.MAX, group=self._host)
        return bool(raised)

    def wait_for_all(self) -> None:
        """A message that nobody gets before all have sent it."""
        self.any(False)


class _Called(nn.Module):
    """Calls what it is given, so that DistributedDataParallel can stand around any work of a model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[..., Any], *arguments: object) -> Any:
        return work(*arguments)


def _sum_over_ranks(values: Tensor) -> None:
    dist.all_reduce(values)


@contextmanager
def joined(place: RankPlace, device: torch.device) -> Iterator[RankGroup]:
    """Meet the other ranks, over NCCL on CUDA and gloo on CPUs.

    The group is only taken down when all went well: a rank that fails keeps its connections until it has said
    why, so that the others' complaints about it come later than its own.
    """
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if on_cuda else "gloo",
        init_method=place.rendezvous,
        rank=place.rank,
        world_size=place.num_ranks,
        timeout=_PATIENCE,
        device_id=device if on_cuda else None,
    )
    host = dist.new_group(backend="gloo", timeout=_PATIENCE) if on_cuda else None
    yield RankGroup(place, host=host)
    dist.destroy_process_group()
