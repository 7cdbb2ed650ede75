"""All-gather of keys over ranks, so that the key queues are identical on every rank.

The paper's released code does not gather: every rank has a queue of its own keys.
"""

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def gather_clips(clips: Float[Tensor, "S B D"], *, num_ranks: int) -> Float[Tensor, "S N D"]:
    """Return the rows of all ranks, in order of rank, which is the order of the step's whole batch.

    S tensors are gathered in one call. Every rank must have the same number of rows. There is no gradient.
    """
    num_stacked, num_clips, width = clips.shape
    everyone = clips.new_empty(num_ranks * num_stacked, num_clips, width)
    dist.all_gather_single(everyone, clips.contiguous())
    by_rank = everyone.view(num_ranks, num_stacked, num_clips, width)
    return by_rank.transpose(0, 1).reshape(num_stacked, num_ranks * num_clips, width)
