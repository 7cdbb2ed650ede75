"""Batch norm with statistics of its own for each group of rows, and what always follows it, in one.

y = relu(dropout(norm(x)) + residual), where dropout, residual and ReLU are each optional. (ReLU before
dropout is the same, for masks are not negative.)
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.autograd import differentiable
from core.kernels.dropout import Dropout, NativeDropout, drop, keep_mask
from core.kernels.library import NativeLibrary, NativeStructure, runs_natively

AllReduce = Callable[[Tensor], None]
"""Sums a tensor over all ranks, in place."""


@dataclass(frozen=True)
class Moments:
    """Mean and (biased) variance of each group's channels, over `count` rows."""

    mean: Float[Tensor, "G C"]
    variance: Float[Tensor, "G C"]
    count: int


def batch_moments(
    x: Float[Tensor, "V G R C"],
    offsets: Float[Tensor, "V C"] | None = None,
    *,
    all_reduce: AllReduce | None,
    num_ranks: int,
    native: NativeLibrary | None,
) -> Moments:
    """Statistics of `x + offsets` over nodes and rows, of all ranks where `all_reduce` is given.

    They carry gradients only where `batch_norm` leaves gradients to autograd (compiled, or in float64).
    """
    count = x.shape[0] * x.shape[2] * (num_ranks if all_reduce else 1)
    if runs_natively(x, native):
        assert native is not None
        return _native_moments(x, _table(offsets, x), count, all_reduce, native)
    if _is_lean(x):
        return _lean_moments(x, offsets, count, all_reduce)
    wide = _shifted(x, offsets)
    if all_reduce is None:
        variance, mean = torch.var_mean(wide, dim=(0, 2), correction=0)
        return Moments(mean, variance, count)
    mean = _sum_over_ranks(wide.sum(dim=(0, 2)), all_reduce) / count
    squares = (wide - mean[:, None]).square().sum(dim=(0, 2))
    return Moments(mean, _sum_over_ranks(squares, all_reduce) / count, count)


def batch_norm(
    x: Float[Tensor, "V G R C"],
    moments: Moments,
    weight: Float[Tensor, " C"],
    bias: Float[Tensor, " C"],
    *,
    eps: float,
    relu: bool,
    offsets: Float[Tensor, "V C"] | None = None,
    dropout: Dropout | None = None,
    residual: Float[Tensor, "V G R C"] | None = None,
    all_reduce: AllReduce | None = None,
    moves: bool = True,
    native: NativeLibrary | None = None,
) -> Float[Tensor, "V G R C"]:
    """Add each node's offsets, normalise by `moments`, drop out, add the residual, rectify.

    `moves`: the moments are the batch's own, so gradients flow through them; False for running statistics.
    """
    if runs_natively(x, native):
        assert native is not None
        work = _Work(native, eps, relu, dropout, all_reduce if moves else None, moves, moments.count)
        return differentiable(
            _NativeBatchNorm, x, offsets, weight, bias, residual, moments.mean, moments.variance, work
        )
    if _is_lean(x):
        lean = _Work(None, eps, relu, dropout, all_reduce if moves else None, moves, moments.count)
        return differentiable(
            _LeanBatchNorm, x, offsets, weight, bias, residual, moments.mean, moments.variance, lean
        )
    inverse_deviation = (moments.variance + eps).rsqrt()  # (G, C)
    y = (_shifted(x, offsets) - moments.mean[:, None]) * (inverse_deviation * weight)[:, None] + bias
    y = drop(y, dropout)
    if residual is not None:
        y = y + residual
    return (y.relu() if relu else y).to(x.dtype)


def add_and_rectify(
    x: Float[Tensor, "V G R C"],
    offsets: Float[Tensor, "V C"] | None,
    residual: Float[Tensor, "V G R C"] | None,
    *,
    relu: bool,
    native: NativeLibrary | None = None,
) -> Float[Tensor, "V G R C"]:
    """What is left of the operation when its norm was folded away; for inference, it may reuse `x`."""
    if runs_natively(x, native) and not torch.is_grad_enabled():
        assert native is not None
        ones, zeros = torch.ones(x.shape[1], x.shape[3]), torch.zeros(x.shape[1], x.shape[3])
        given = (x, _table(offsets, x), ones, zeros, None if residual is None else residual.contiguous())
        after = (_Shape(*x.shape), NativeDropout.of(None), relu)
        native.call("batch_norm_forward", x.dtype, *given, x, *after)
        return x
    if offsets is not None:
        x = x + offsets[:, None, None].to(x.dtype)
    if residual is not None:
        x = x + residual
    return x.relu() if relu else x


def _shifted(x: Float[Tensor, "V G R C"], offsets: Float[Tensor, "V C"] | None) -> Float[Tensor, "V G R C"]:
    """With its offsets, in at least float32, in which statistics are computed."""
    wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    return wide if offsets is None else wide + offsets[:, None, None]


def _table(offsets: Float[Tensor, "V C"] | None, x: Float[Tensor, "V G R C"]) -> Float[Tensor, "V C"]:
    """Offsets as the kernels take them."""
    if offsets is None:
        return torch.zeros(x.shape[0], x.shape[3])
    return offsets.detach().float().contiguous()


def _is_lean(x: Tensor) -> bool:
    """Whether plain PyTorch keeps only inputs for the backward pass, and computes the rest again.

    A compiler decides that by itself, and in float64 autograd is the reference.
    """
    return not torch.compiler.is_compiling() and x.dtype in (torch.float32, torch.bfloat16)


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, all_reduce: AllReduce) -> Tensor:
        ctx.all_reduce = all_reduce
        total = x.clone()
        all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone()
        ctx.all_reduce(total)
        return total, None


def _sum_over_ranks(x: Tensor, all_reduce: AllReduce) -> Tensor:
    return differentiable(_SumOverRanks, x, all_reduce)


@dataclass(frozen=True)
class _Work:
    native: NativeLibrary | None
    eps: float
    relu: bool
    dropout: Dropout | None
    all_reduce: AllReduce | None
    moves: bool
    count: int


class _Shape(NativeStructure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("nodes", "groups", "rows", "channels"))


def _native_moments(
    x: Tensor, offsets: Tensor, count: int, all_reduce: AllReduce | None, native: NativeLibrary
) -> Moments:
    """From sums of differences to each group's first row, which keeps them small."""
    sums = torch.zeros(2, x.shape[1], x.shape[3], dtype=torch.float64)
    with torch.no_grad():
        native.call("batch_norm_moments", x.dtype, x, offsets, sums, _Shape(*x.shape))
        pivot = x[0, :, 0].double() + offsets[0]
        shift, square = sums / (x.shape[0] * x.shape[2])
        return _of_all_ranks(x, pivot + shift, square - shift.square(), count, all_reduce)


@torch.no_grad()
def _lean_moments(x: Tensor, offsets: Tensor | None, count: int, all_reduce: AllReduce | None) -> Moments:
    variance, mean = torch.var_mean(_shifted(x, offsets), dim=(0, 2), correction=0)
    return _of_all_ranks(x, mean.double(), variance.double(), count, all_reduce)


def _of_all_ranks(
    x: Tensor, mean: Tensor, variance: Tensor, count: int, all_reduce: AllReduce | None
) -> Moments:
    if all_reduce is not None:
        totals = torch.stack([mean, variance + mean.square()]) * (x.shape[0] * x.shape[2])
        all_reduce(totals)
        mean, square = totals / count
        variance = square - mean.square()
    return Moments(mean.float(), variance.clamp(min=0).float(), count)


class _LeanBatchNorm(torch.autograd.Function):
    """What the native kernels do, in plain PyTorch: only x, y and small tables are kept."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        offsets: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        residual: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        work: _Work,
    ) -> Tensor:
        inverse_deviation = (variance + work.eps).rsqrt()
        y = _shifted(x, offsets) - mean[:, None]
        y.mul_((inverse_deviation * weight)[:, None]).add_(bias)
        _drop_in_place(y, work.dropout)
        if residual is not None:
            y.add_(residual)
        y = (y.relu_() if work.relu else y).to(x.dtype)
        ctx.save_for_backward(x, offsets, y, mean, inverse_deviation, weight)
        ctx.work, ctx.has_residual = work, residual is not None
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, offsets, y, mean, inverse_deviation, weight = ctx.saved_tensors
        work: _Work = ctx.work
        gradient = gradients[0].float() * (y > 0) if work.relu else gradients[0].float().clone()
        dresidual = gradient.to(x.dtype, copy=True) if ctx.has_residual else None
        _drop_in_place(gradient, work.dropout)
        centred = _shifted(x, offsets) - mean[:, None]
        sums = torch.stack([gradient.sum((0, 2)), (gradient * centred).sum((0, 2))]).double()
        dbias, dweight = sums[0].sum(0), (sums[1] * inverse_deviation).sum(0)
        slope, slant, level = _coefficients(sums, inverse_deviation, weight, work)[:, :, None]
        dx = gradient.mul_(slope).add_(centred.mul_(slant)).add_(level)
        doffsets = None if offsets is None else dx.sum((1, 2))
        return dx.to(x.dtype), doffsets, dweight.float(), dbias.float(), dresidual, None, None, None


def _drop_in_place(x: Tensor, dropout: Dropout | None) -> None:
    if dropout is not None:
        x.mul_(keep_mask(x.shape, dropout)).mul_(dropout.scale)


class _NativeBatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        offsets: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        residual: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        work: _Work,
    ) -> Tensor:
        inverse_deviation = (variance + work.eps).rsqrt()
        scale = (inverse_deviation * weight).contiguous()
        shift = (bias - mean * scale).contiguous()
        y = torch.empty_like(x)
        shape, dropout = _Shape(*x.shape), NativeDropout.of(work.dropout)
        residual = None if residual is None else residual.contiguous()
        table = _table(offsets, x)
        read, after = (x, table, scale, shift, residual), (shape, dropout, work.relu)
        assert work.native is not None
        work.native.call("batch_norm_forward", x.dtype, *read, y, *after)
        ctx.save_for_backward(x, table, y, mean, inverse_deviation, weight)
        ctx.work, ctx.has_residual, ctx.has_offsets = work, residual is not None, offsets is not None
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, table, y, mean, inverse_deviation, weight = ctx.saved_tensors
        work: _Work = ctx.work
        assert work.native is not None
        dy = gradients[0].contiguous()
        shape, dropout = _Shape(*x.shape), NativeDropout.of(work.dropout)
        sums = torch.zeros(2, *mean.shape, dtype=torch.float64)
        read = (dy, y, x, table, mean)
        work.native.call("batch_norm_backward_sums", x.dtype, *read, sums, shape, dropout, work.relu)
        dbias, dweight = sums[0].sum(0), (sums[1] * inverse_deviation).sum(0)
        coefficients = _coefficients(sums, inverse_deviation, weight, work)
        dx = torch.empty_like(x)
        dresidual = torch.empty_like(x) if ctx.has_residual else None
        written, after = (dx, dresidual), (shape, dropout, work.relu)
        work.native.call("batch_norm_backward", x.dtype, *read, coefficients, *written, *after)
        doffsets = _node_sums(dx, work.native) if ctx.has_offsets else None
        return dx, doffsets, dweight.to(weight.dtype), dbias.to(weight.dtype), dresidual, None, None, None


def _node_sums(dx: Float[Tensor, "V G R C"], native: NativeLibrary) -> Float[Tensor, "V C"]:
    sums = torch.empty(dx.shape[0], dx.shape[3])
    native.call("row_sums", dx.dtype, dx, sums, dx.shape[0], dx.shape[1] * dx.shape[2], dx.shape[3])
    return sums


def _coefficients(sums: Tensor, inverse_deviation: Tensor, weight: Tensor, work: _Work) -> Tensor:
    """(3, G, C): what multiplies the gradient and the centred input, and what is added."""
    slope = inverse_deviation.double() * weight
    if not work.moves:
        return torch.stack([slope, torch.zeros_like(slope), torch.zeros_like(slope)]).float()
    if work.all_reduce is not None:
        sums = sums.clone()
        work.all_reduce(sums)
    plain, weighed = sums / work.count
    centred = -slope * inverse_deviation.double().square() * weighed
    return torch.stack([slope, centred, -slope * plain]).float()
