"""Max pooling over the nodes of each sub-part: from joints to fingers, from fingers to a hand."""

import ctypes
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.autograd import differentiable
from core.kernels.library import NativeLibrary, NativeStructure, runs_natively

SubParts = tuple[tuple[int, ...], ...]
"""The nodes of each sub-part; a node belongs to exactly one sub-part."""


def pool_sub_parts(
    x: Float[Tensor, "V *N C"], sub_parts: SubParts, *, native: NativeLibrary | None = None
) -> Float[Tensor, "S *N C"]:
    """Return each channel's maximum over each sub-part's nodes; in a tie the first node gets the gradient."""
    assert sorted(node for part in sub_parts for node in part) == list(range(len(x)))
    if runs_natively(x, native):
        return differentiable(_NativePooling, x, sub_parts, native)
    nodes = x.unbind()
    return torch.stack([torch.stack([nodes[node] for node in part]).max(dim=0).values for part in sub_parts])


class _SubParts(NativeStructure):
    _fields_ = (("count", ctypes.c_int64), ("starts", ctypes.c_void_p), ("nodes", ctypes.c_void_p))


@cache
def _tables(sub_parts: SubParts) -> tuple[_SubParts, tuple[Tensor, Tensor]]:
    """Return the C structure, and the tensors that own its memory."""
    starts = torch.tensor([sum(map(len, sub_parts[:i])) for i in range(len(sub_parts) + 1)])
    nodes = torch.tensor([node for part in sub_parts for node in part])
    return _SubParts(len(sub_parts), starts.data_ptr(), nodes.data_ptr()), (starts, nodes)


class _NativePooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sub_parts: SubParts, native: NativeLibrary) -> Tensor:
        x = x.contiguous()
        y = x.new_empty(len(sub_parts), *x.shape[1:])
        native.call("sub_parts_forward", x.dtype, x, y, _tables(sub_parts)[0], x[0].numel())
        ctx.save_for_backward(x, y)
        ctx.sub_parts, ctx.native = sub_parts, native
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        x, y = ctx.saved_tensors
        dx = torch.empty_like(x)
        dy, table = gradients[0].contiguous(), _tables(ctx.sub_parts)[0]
        ctx.native.call("sub_parts_backward", x.dtype, dy, x, y, dx, table, x[0].numel())
        return dx, None, None
