"""Narrow layer with its batch norm, in native kernels (source/narrow_layer.cpp): products, statistics, norm.

A narrow layer spends more time on calls of a matrix library, and on writing and reading intermediate values,
than on products. These kernels multiply a tile of rows while it is in the processor's cache: forward they add
up the statistics of the products, and backward they multiply the norm's gradient without storing it.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.autograd import differentiable
from core.kernels.batch_norm import AllReduce, Running, moments_of_ranks, native_running
from core.kernels.dropout import Dropout, NativeDropout
from core.kernels.library import NativeLibrary, runs_natively
from core.kernels.native_norm_passes import NativeNorm, NativeShape
from core.kernels.neighbourhood import Neighbourhood
from core.kernels.norm_passes import NormEpilogue

MAX_NARROW = 64
"""Widest output of a narrow layer; a library multiplies wider ones faster."""
_VECTOR = 16
"""Numbers in the widest vector of any processor; widths of products are multiples of it."""


@dataclass(frozen=True)
class Product:
    """What a layer multiplies: y_w = sum over partitions k and nodes v of (W_k x_v + b_k) A^k_vw."""

    x: Float[Tensor, "V G R C"]
    weight: Float[Tensor, "KD C"]
    bias: Float[Tensor, " KD"]
    neighbourhood: Neighbourhood


@dataclass(frozen=True)
class TrainingNorm:
    """A batch norm by the batch's statistics, those of all ranks if `all_reduce` is given."""

    weight: Float[Tensor, " D"]
    bias: Float[Tensor, " D"]
    eps: float
    running: Running
    all_reduce: AllReduce | None = None
    num_ranks: int = 1


@cache
def each_node_alone(num_nodes: int) -> Neighbourhood:
    """Return the neighbourhood of a 1x1 convolution, in which each node is its own only neighbour."""
    return Neighbourhood.of(torch.eye(num_nodes)[None])


def is_narrow(x: Float[Tensor, "*N C"], width: int, native: NativeLibrary | None) -> bool:
    """Whether the kernels support a layer from `x` to this width, and are faster than separate ones."""
    suits = width <= MAX_NARROW and width % _VECTOR == 0
    return suits and x.dtype == torch.float32 and runs_natively(x, native)


def narrow_layer(
    product: Product,
    norm: TrainingNorm,
    *,
    relu: bool,
    native: NativeLibrary,
    dropout: Dropout | None = None,
    residual: Float[Tensor, "V G R D"] | None = None,
) -> Float[Tensor, "V G R D"]:
    """Multiply, normalise by the batch's statistics, apply dropout, add the residual, apply ReLU.

    Equals `graph_convolution`, `batch_moments`, `track_moments` and `batch_norm` in turn. The norm subtracts
    the bias of a 1x1 convolution, whose gradient is therefore zero.
    """
    work = _Work(native, product.neighbourhood, norm, NormEpilogue(relu, dropout, residual is not None))
    learned = (product.weight, product.bias, norm.weight, norm.bias)
    return differentiable(_NarrowLayer, product.x, residual, *learned, work)


@dataclass(frozen=True)
class _Work:
    native: NativeLibrary
    hood: Neighbourhood
    norm: TrainingNorm
    epilogue: NormEpilogue

    def settings(self, z: Float[Tensor, "V G R D"]) -> tuple[NativeShape, NativeDropout, bool]:
        """Return the last arguments of the kernels."""
        return NativeShape(*z.shape), NativeDropout.of(self.epilogue.dropout), self.epilogue.relu


class _NarrowLayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        norm_weight: Tensor,
        norm_bias: Tensor,
        work: _Work,
    ) -> Tensor:
        x, norm, width = x.contiguous(), work.norm, len(norm_weight)
        (num_nodes, num_groups, num_rows, channels), num_maps = x.shape, len(weight) // width
        z, offsets = x.new_empty(*x.shape[:3], width), torch.empty(num_nodes, width)
        moments = torch.empty(2, num_groups, width, dtype=torch.float64)
        settings, slots = work.settings(z), work.hood.native.product_slots
        written = (z, offsets, moments, channels, num_maps, slots, settings[0])
        work.native.call("narrow_layer_products", x.dtype, x, weight, bias, *written)
        count = num_nodes * num_rows
        if norm.all_reduce is not None:
            moments = moments_of_ranks(moments, count, norm.num_ranks, norm.all_reduce)
            count *= norm.num_ranks
        statistics, y = torch.empty(2, num_groups, width), torch.empty_like(z)
        native_norm = NativeNorm.of(offsets, statistics, norm_weight, norm_bias, norm.eps)
        before = (z, moments, statistics, native_norm, native_running(norm.running, count))
        residual = None if residual is None else residual.contiguous()
        work.native.call("batch_norm_by_moments", x.dtype, *before, residual, y, *settings)
        ctx.save_for_backward(x, z, y, weight, offsets, statistics, norm_weight, norm_bias)
        ctx.work, ctx.count = work, count
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, z, y, weight, offsets, statistics, norm_weight, norm_bias = ctx.saved_tensors
        work: _Work = ctx.work
        norm = NativeNorm.of(offsets, statistics, norm_weight, norm_bias, work.norm.eps)
        dy, settings = gradients[0].contiguous(), work.settings(z)
        sums, learned = torch.empty_like(statistics, dtype=torch.float64), torch.empty(2, z.shape[3])
        work.native.call("batch_norm_backward_sums", x.dtype, dy, y, z, norm, sums, learned, *settings)
        if work.norm.all_reduce is not None:
            work.norm.all_reduce(sums)
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        dresidual = torch.empty_like(z) if work.epilogue.residual else None
        dweight, dbias = torch.empty_like(weight), torch.empty(len(weight))
        read = (dy, y, z, norm, sums, ctx.count, x, weight, x.shape[3], len(weight) // z.shape[3])
        written = (dx, dresidual, dweight, dbias, work.hood.native.product_slots)
        work.native.call("narrow_layer_backward", x.dtype, *read, *written, *settings)
        return dx, dresidual, dweight, dbias, learned[0], learned[1], None
