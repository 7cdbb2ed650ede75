"""Key queue: first-in-first-out memory of past keys (He et al., MoCo, 2020)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class KeyQueue(nn.Module):
    """Ring buffer of the last `length` keys of one embedding space, each of unit length.

    Queues of equal length that are filled together hold the same past sample at the same index. The position
    is a tensor on the device, so that enqueueing needs no synchronisation.
    """

    keys: Tensor
    position: Tensor

    def __init__(self, length: int, embedding_width: int) -> None:
        super().__init__()
        self.register_buffer("keys", functional.normalize(torch.randn(length, embedding_width), dim=1))
        self.register_buffer("position", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def enqueue(self, keys: Float[Tensor, "B D"]) -> None:
        """Replace the oldest keys by these; if there are more than `length`, the last ones are kept."""
        length = len(self.keys)
        kept = keys[-length:]
        start = self.position + len(keys) - len(kept)
        slots = (start + torch.arange(len(kept), device=keys.device)) % length  # (B,)
        self.keys[slots] = kept.to(self.keys.dtype)
        self.position.copy_((self.position + len(keys)) % length)
