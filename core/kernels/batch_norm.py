"""Fused batch norm with separate statistics per group: offsets, norm, dropout, residual and ReLU.

y = relu(dropout(norm(x + offsets)) + residual), where offsets, dropout, residual and ReLU are optional.
(ReLU before dropout is equivalent, because masks are not negative.) The backward pass stores x, y and small
tables, and recomputes the dropout mask.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.autograd import differentiable
from core.kernels.dropout import Dropout
from core.kernels.library import NativeLibrary, NativeStructure, runs_natively
from core.kernels.native_norm_passes import NativePasses
from core.kernels.norm_passes import Norm, NormEpilogue, NormPasses, Saved, Sums, offset_table
from core.kernels.plain_norm_passes import PlainPasses

AllReduce = Callable[[Tensor], None]
"""Sums a tensor over all ranks, in place."""


@dataclass(frozen=True)
class Moments:
    """Mean and (biased) variance of each group's channels, over `count` rows."""

    mean: Float[Tensor, "G C"]
    variance: Float[Tensor, "G C"]
    count: int


def passes_for(x: Tensor, native: NativeLibrary | None) -> NormPasses:
    """Return the native kernels if they support `x`, else plain PyTorch."""
    if runs_natively(x, native):
        assert native is not None
        return NativePasses(native)
    return PlainPasses()


@torch.no_grad()
def batch_moments(
    x: Float[Tensor, "V G R C"],
    offsets: Float[Tensor, "V C"] | None = None,
    *,
    all_reduce: AllReduce | None,
    num_ranks: int,
    native: NativeLibrary | None,
) -> Moments:
    """Compute the statistics of `x + offsets` over nodes and rows, over all ranks if `all_reduce` is given.

    They have no gradient; the backward pass of `batch_norm` includes their dependence on `x`.
    """
    table, count = offset_table(offsets, x), x.shape[0] * x.shape[2]
    exact = passes_for(x, native).moments(x, table)
    if all_reduce is not None:
        exact, count = moments_of_ranks(exact, count, num_ranks, all_reduce), count * num_ranks
    mean, variance = exact.to(table.dtype)
    return Moments(mean, variance, count)


def moments_of_ranks(
    moments: Float[Tensor, "2 G C"], count: int, num_ranks: int, all_reduce: AllReduce
) -> Float[Tensor, "2 G C"]:
    """Return mean and variance of all ranks' rows from those of this rank's `count` rows (float64)."""
    mean, variance = moments
    totals = torch.stack([mean, variance + mean.square()]) * count
    all_reduce(totals)
    mean, square = totals / (count * num_ranks)
    return torch.stack([mean, (square - mean.square()).clamp(min=0)])


@dataclass(frozen=True)
class Running:
    """Running statistics, which training moves towards those of each batch, in place.

    `momentum`: the share of a batch. `left_out`: a bias that the layer has not added; it belongs to the mean.
    """

    mean: Float[Tensor, " C"]
    variance: Float[Tensor, " C"]
    momentum: float
    left_out: Float[Tensor, " C"] | None = None

    def __post_init__(self) -> None:
        assert 0 <= self.momentum < 0.5, "lerp is computed otherwise from 0.5"


@torch.no_grad()
def track_moments(running: Running, moments: Moments, *, native: NativeLibrary | None = None) -> None:
    """Move running statistics towards each group's in turn, as separate calls would.

    The variance is the unbiased one.
    """
    if runs_natively(running.mean, native) and runs_natively(moments.mean, native):
        assert native is not None
        tables = (moments.mean, moments.variance, native_running(running, moments.count))
        native.call("track_moments", running.mean.dtype, *tables, *moments.mean.shape)
        return
    unbiased = moments.variance * _correction(moments.count)
    means = moments.mean if running.left_out is None else moments.mean + running.left_out
    for mean, variance in zip(means, unbiased, strict=True):
        running.mean.lerp_(mean.to(running.mean.dtype), running.momentum)
        running.variance.lerp_(variance.to(running.variance.dtype), running.momentum)


class _Running(NativeStructure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("mean", "variance", "left_out")),
        *((name, ctypes.c_float) for name in ("momentum", "correction")),
    )


def native_running(running: Running, count: int) -> NativeStructure:
    """Return the C structure, for statistics of `count` rows."""
    tensors = (running.mean, running.variance, running.left_out)
    addresses = (None if each is None else each.data_ptr() for each in tensors)
    return _Running(*addresses, running.momentum, _correction(count))


def _correction(count: int) -> float:
    """Return the factor from the biased to the unbiased variance."""
    return count / max(count - 1, 1)


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
    """Add each node's offsets, normalise by `moments`, apply dropout, add the residual, apply ReLU.

    `moves`: the moments are batch statistics, so gradients flow through them; False for running statistics.
    """
    epilogue = NormEpilogue(relu, dropout, residual is not None)
    work = _Work(passes_for(x, native), eps, epilogue, all_reduce, moments.count if moves else None)
    return differentiable(
        _BatchNorm, x, offsets, weight, bias, residual, moments.mean, moments.variance, work
    )


@dataclass(frozen=True)
class _Work:
    passes: NormPasses
    eps: float
    epilogue: NormEpilogue
    all_reduce: AllReduce | None
    count: int | None

    def over_ranks(self, sums: Sums) -> Sums:
        """Add the sums of all ranks, if the statistics are of all ranks."""
        if self.all_reduce is None or self.count is None:
            return sums
        sums = sums.clone()
        self.all_reduce(sums)
        return sums


class _BatchNorm(torch.autograd.Function):
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
        table = offset_table(offsets, x)
        norm = Norm(table, mean, variance, weight, bias, work.eps)
        y = work.passes.forward(x, norm, residual, work.epilogue)
        ctx.save_for_backward(x, y, table, mean, variance, weight, bias)
        ctx.work, ctx.has_offsets = work, offsets is not None
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, y, table, mean, variance, weight, bias = ctx.saved_tensors
        work: _Work = ctx.work
        saved = Saved(x, y, Norm(table, mean, variance, weight, bias, work.eps), work.count)
        back = work.passes.backward(gradients[0], saved, work.over_ranks, work.epilogue)
        doffsets = work.passes.node_sums(back.dx) if ctx.has_offsets else None
        learned = (back.dweight.to(weight.dtype), back.dbias.to(weight.dtype))
        return back.dx, doffsets, *learned, back.dresidual, None, None, None
