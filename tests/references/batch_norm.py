"""Batch norm and what follows it, by PyTorch's own functions and autograd."""

import torch
from torch import Tensor
from torch.nn import functional

from core.kernels.dropout import Dropout, keep_mask


def batch_norm_by_autograd(
    x: Tensor,
    offsets: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: Tensor | None,
    *,
    eps: float,
    relu: bool,
    dropout: Dropout | None,
) -> Tensor:
    """x (V, G, R, C); each group is normalised by a call of its own."""
    groups = (x + offsets[:, None, None]).unbind(1)  # (V, R, C) each
    rows = (
        functional.batch_norm(group.flatten(0, 1), None, None, weight, bias, training=True, eps=eps)
        for group in groups
    )
    y = torch.stack([each.view_as(group) for each, group in zip(rows, groups, strict=True)], dim=1)
    if dropout is not None:
        y = y * keep_mask(y.shape, dropout, y.dtype) * dropout.scale
    if residual is not None:
        y = y + residual
    return y.relu() if relu else y
