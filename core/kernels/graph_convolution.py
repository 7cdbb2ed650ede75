"""Sparse graph convolution (paper, section III-A; ST-GCN).

y_w = sum over partitions k of W_k (sum over v of A^k_vw x_v). Neighbours are summed before the product, and a
node is multiplied only by the maps of partitions in which it has neighbours. Nodes are the first axis, so the
data of a node are contiguous.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.autograd import differentiable
from core.kernels.library import NativeLibrary, runs_natively
from core.kernels.neighbourhood import Neighbourhood, NodeGroup


def graph_convolution(
    x: Float[Tensor, "V N C"],
    maps: Float[Tensor, "K D C"],
    mixing: Float[Tensor, "S V"],
    neighbourhood: Neighbourhood,
    *,
    native: NativeLibrary | None = None,
) -> Float[Tensor, "V N D"]:
    """Sum each node's neighbours and apply each partition's map, without biases.

    `mixing` is `neighbourhood.mixing()` on the device of `x`.
    """
    if runs_natively(x, native):
        return differentiable(_NativeGraphConvolution, x, maps, neighbourhood, native)
    groups = neighbourhood.groups
    sums = (mixing.to(x.dtype) @ x.flatten(1)).unflatten(1, x.shape[1:])  # every slot's, (S, N, C)
    rows = []
    for group, slots in zip(groups, sums.split([group.num_slots for group in groups]), strict=True):
        by_node = slots.unflatten(0, (-1, len(group.partitions))).transpose(1, 2).flatten(2)  # (n, N, k C)
        rows.append(by_node.flatten(0, 1) @ _merged(maps, group).t())  # (n N, D)
    return torch.cat(rows).unflatten(0, (len(x), -1))


def _merged(maps: Float[Tensor, "K D C"], group: NodeGroup) -> Float[Tensor, "D kC"]:
    """Concatenate the maps of a group's partitions, so that one product applies them all."""
    every = maps.unbind(0)
    return torch.cat([every[partition] for partition in group.partitions], dim=1)


class _NativeGraphConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, maps: Tensor, hood: Neighbourhood, native: NativeLibrary) -> Tensor:
        x = x.contiguous()
        num_nodes, num_rows, channels = x.shape
        sums = _gathered(x, hood, native)
        y = x.new_empty(num_nodes, num_rows, maps.shape[1])
        merged = [_merged(maps, group) for group in hood.groups]
        for group, each in zip(hood.groups, merged, strict=True):
            rows = _rows_of(sums, group, num_rows, channels).flatten(0, 1)  # (n N, k C)
            torch.mm(rows, each.t(), out=y[group.first : group.last].flatten(0, 1))
        ctx.save_for_backward(x, maps, *merged)
        ctx.hood, ctx.native = hood, native
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, maps, *merged = ctx.saved_tensors
        hood: Neighbourhood = ctx.hood
        dy = gradients[0].contiguous()
        _, num_rows, channels = x.shape
        sums = _gathered(x, hood, ctx.native)  # recomputed, because they are several times as large as x
        dmaps = torch.zeros(maps.shape, dtype=torch.float32)
        for group, each in zip(hood.groups, merged, strict=True):
            rows = _rows_of(sums, group, num_rows, channels).flatten(0, 1)  # (n N, k C)
            out = dy[group.first : group.last].flatten(0, 1)  # (n N, D)
            share = torch.mm(out.t(), rows).unflatten(1, (len(group.partitions), channels))  # (D, k, C)
            for index, partition in enumerate(group.partitions):
                dmaps[partition] += share[:, index]
            if ctx.needs_input_grad[0]:
                torch.mm(out, each, out=rows)  # gradient of the sums, in place
        dx = None
        if ctx.needs_input_grad[0]:
            dx = torch.empty_like(x)
            ctx.native.call("neighbours_scatter", dy.dtype, sums, dx, *hood.native.all, num_rows, channels)
        return dx, dmaps.to(maps.dtype), None, None


def _gathered(x: Float[Tensor, "V N C"], hood: Neighbourhood, native: NativeLibrary) -> Float[Tensor, " S"]:
    """Return every slot's weighted sum; the slots of a node are contiguous in each row."""
    _, num_rows, channels = x.shape
    sums, tables = x.new_empty(len(hood.slots) * num_rows * channels), hood.native
    native.call("neighbours_gather", x.dtype, x, sums, tables.links, tables.sides, num_rows, channels)
    return sums


def _rows_of(sums: Tensor, group: NodeGroup, num_rows: int, channels: int) -> Float[Tensor, "n N kC"]:
    """Return a view of the sums of a group's nodes."""
    start, size = (slots * num_rows * channels for slots in (group.first_slot, group.num_slots))
    return sums[start : start + size].view(group.last - group.first, num_rows, -1)
