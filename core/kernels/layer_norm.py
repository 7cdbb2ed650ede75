"""Fused layer norm with dropout and residual: norm(residual + dropout(branch))."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from core.kernels.autograd import differentiable
from core.kernels.dropout import Dropout, NativeDropout, drop
from core.kernels.library import NativeLibrary, runs_natively


def add_layer_norm(
    branch: Float[Tensor, "B T C"],
    residual: Float[Tensor, "B T C"] | None,
    weight: Float[Tensor, " C"],
    bias: Float[Tensor, " C"],
    *,
    eps: float,
    dropout: Dropout | None = None,
    native: NativeLibrary | None = None,
) -> Float[Tensor, "B T C"]:
    """Normalise each token of `residual + dropout(branch)`; the residual is optional."""
    if runs_natively(branch, native):
        assert native is not None
        return differentiable(_NativeLayerNorm, branch, residual, weight, bias, _Work(native, eps, dropout))
    total = drop(branch.flatten(0, 1)[None, None], dropout).view_as(branch)
    if residual is not None:
        total = total + residual
    wide = total.float() if total.dtype == torch.bfloat16 else total
    return functional.layer_norm(wide, weight.shape, weight, bias, eps).to(branch.dtype)


@dataclass(frozen=True)
class _Work:
    native: NativeLibrary
    eps: float
    dropout: Dropout | None


class _NativeLayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, branch: Tensor, residual: Tensor | None, weight: Tensor, bias: Tensor, work: _Work
    ) -> Tensor:
        branch = branch.contiguous()
        residual = None if residual is None else residual.contiguous()
        channels = branch.shape[-1]
        rows = branch.numel() // channels
        y, mean, inverse_deviation = torch.empty_like(branch), torch.empty(rows), torch.empty(rows)
        arguments = (branch, residual, weight, bias, y, mean, inverse_deviation, rows, channels, work.eps)
        work.native.call("layer_norm_forward", branch.dtype, *arguments, NativeDropout.of(work.dropout))
        ctx.save_for_backward(branch, residual, weight, mean, inverse_deviation)
        ctx.work = work
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        branch, residual, weight, mean, inverse_deviation = ctx.saved_tensors
        dbranch = torch.empty_like(branch)
        dresidual = None if residual is None else torch.empty_like(branch)
        dweight, dbias = torch.zeros_like(weight), torch.zeros_like(weight)
        before = (gradients[0].contiguous(), branch, residual, weight, mean, inverse_deviation)
        after = (dbranch, dresidual, dweight, dbias, len(mean), branch.shape[-1])
        ctx.work.native.call(
            "layer_norm_backward", branch.dtype, *before, *after, NativeDropout.of(ctx.work.dropout)
        )
        return dbranch, dresidual, dweight, dbias, None
