"""Fused batch norm with separate statistics per group: offsets, norm, dropout, residual and ReLU.

y = relu(dropout(norm(x + offsets)) + residual), where offsets, dropout, residual and ReLU are optional.
(ReLU before dropout is equivalent, because masks are not negative.) The backward pass stores x, y and small
tables, and recomputes the dropout mask.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.autograd import differentiable
from core.kernels.dropout import Dropout
from core.kernels.library import NativeLibrary, runs_natively
from core.kernels.native_norm_passes import NativePasses
from core.kernels.norm_passes import Affine, Coefficients, NormEpilogue, NormPasses, Saved, Sums, offset_table
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
    mean, variance = passes_for(x, native).moments(x, table)
    if all_reduce is not None:
        totals = torch.stack([mean, variance + mean.square()]) * count
        all_reduce(totals)
        count *= num_ranks
        mean, square = totals / count
        variance = (square - mean.square()).clamp(min=0)
    return Moments(mean.to(table.dtype), variance.to(table.dtype), count)


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
    work = _Work(passes_for(x, native), eps, epilogue, all_reduce, moves, moments.count)
    return differentiable(
        _BatchNorm, x, offsets, weight, bias, residual, moments.mean, moments.variance, work
    )


@dataclass(frozen=True)
class _Work:
    passes: NormPasses
    eps: float
    epilogue: NormEpilogue
    all_reduce: AllReduce | None
    moves: bool
    count: int


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
        inverse_deviation = (variance + work.eps).rsqrt()
        scale, table = inverse_deviation * weight, offset_table(offsets, x)
        y = work.passes.forward(x, Affine(table, scale, bias - mean * scale), residual, work.epilogue)
        ctx.save_for_backward(x, table, y, mean, inverse_deviation, weight)
        ctx.work, ctx.has_offsets = work, offsets is not None
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, table, y, mean, inverse_deviation, weight = ctx.saved_tensors
        work: _Work = ctx.work

        def find(sums: Sums) -> Coefficients:
            return _coefficients(sums, inverse_deviation, weight, work)

        back = work.passes.backward(gradients[0], Saved(x, table, y, mean), find, work.epilogue)
        dbias, dweight = back.sums[0].sum(0), (back.sums[1] * inverse_deviation).sum(0)
        doffsets = work.passes.node_sums(back.dx) if ctx.has_offsets else None
        learned = (dweight.to(weight.dtype), dbias.to(weight.dtype))
        return back.dx, doffsets, *learned, back.dresidual, None, None, None


def _coefficients(
    sums: Sums, inverse_deviation: Float[Tensor, "G C"], weight: Float[Tensor, " C"], work: _Work
) -> Coefficients:
    """Return the factors of the gradient and of the centred input, and the constant term."""
    slope = inverse_deviation.double() * weight
    if not work.moves:
        return torch.stack([slope, torch.zeros_like(slope), torch.zeros_like(slope)])
    if work.all_reduce is not None:
        sums = sums.clone()
        work.all_reduce(sums)
    plain, weighed = sums / work.count
    return torch.stack([slope, -slope * inverse_deviation.double().square() * weighed, -slope * plain])
