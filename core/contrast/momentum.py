"""Momentum update of the key encoder (He et al., MoCo, 2020; paper, section III-B)."""

from collections.abc import Iterable

import torch
from torch import nn


@torch.no_grad()
def momentum_update(query: nn.Module, key: nn.Module, *, key_momentum: float) -> None:
    """key <- key_momentum * key + (1 - key_momentum) * query, for parameters only, not buffers."""
    keys, queries = _tensors(key.parameters()), _tensors(query.parameters())
    torch._foreach_lerp_(keys, queries, 1 - key_momentum)


def _tensors(parameters: Iterable[nn.Parameter]) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in parameters]
