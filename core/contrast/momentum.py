"""Momentum update of the key encoder (He et al., MoCo, 2020; paper, section III-B)."""

import torch
from torch import Tensor, nn


class MomentumUpdate:
    """key <- key_momentum * key + (1 - key_momentum) * query, for parameters only, not buffers."""

    def __init__(self, query: nn.Module, key: nn.Module) -> None:
        self._queries: list[Tensor] = list(query.parameters())
        self._keys: list[Tensor] = list(key.parameters())

    @torch.no_grad()
    def __call__(self, key_momentum: float) -> None:
        """Move the key parameters towards the query parameters, in place."""
        torch._foreach_lerp_(self._keys, self._queries, 1 - key_momentum)
