"""Keys of all ranks, so that the queues are the same on every rank.

The paper's released code does not do this: there every rank keeps a queue of its own keys.
"""

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def gather_clips(clips: Float[Tensor, "S B D"], *, num_ranks: int) -> Float[Tensor, "S N D"]:
    """Return every rank's rows, rank after rank, which is the order of the step's whole batch.

    S tensors travel as one message. Rows must be as many on every rank; gradients do not flow.
    """
    num_stacked, num_clips, width = clips.shape
    everyone = clips.new_empty(num_ranks * num_stacked, num_clips, width)
    dist.all_gather_single(everyone, clips.contiguous())
    by_rank = everyone.view(num_ranks, num_stacked, num_clips, width)
    return by_rank.transpose(0, 1).reshape(num_stacked, num_ranks * num_clips, width)
