"""Scaled dot-product attention with counter-based dropout on its weights."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from core.kernels.autograd import differentiable
from core.kernels.dropout import Dropout, NativeDropout, drop
from core.kernels.library import NativeLibrary, runs_natively


def attention(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B H T D"],
    value: Float[Tensor, "B H T D"],
    *,
    dropout: Dropout | None = None,
    native: NativeLibrary | None = None,
) -> Float[Tensor, "B H T D"]:
    """Return dropout(softmax(q k^T / sqrt(D))) v; a dropout row is a (clip, head, frame)."""
    if dropout is None and native is None:
        return functional.scaled_dot_product_attention(query, key, value)
    scale = query.shape[-1] ** -0.5
    scores = query @ key.transpose(-1, -2)  # (B, H, T, T)
    if runs_natively(scores, native):
        assert native is not None
        weights = differentiable(_NativeSoftmax, scores, _Work(native, scale, dropout))
    else:
        wide = (scores.float() if scores.dtype == torch.bfloat16 else scores) * scale
        weights = (
            drop(wide.softmax(dim=-1).flatten(0, 2)[None, None], dropout).view_as(scores).to(scores.dtype)
        )
    return weights @ value


@dataclass(frozen=True)
class _Work:
    native: NativeLibrary
    scale: float
    dropout: Dropout | None


class _NativeSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, work: _Work) -> Tensor:
        scores = scores.contiguous()
        columns = scores.shape[-1]
        probabilities = torch.empty_like(scores)
        dropped = torch.empty_like(scores) if work.dropout else probabilities
        sizes = (scores.numel() // columns, columns, work.scale, NativeDropout.of(work.dropout))
        work.native.call("softmax_forward", scores.dtype, scores, probabilities, dropped, *sizes)
        ctx.save_for_backward(probabilities)
        ctx.work = work
        return dropped

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (probabilities,) = ctx.saved_tensors
        columns = probabilities.shape[-1]
        dscores = torch.empty_like(probabilities)
        sizes = (dscores.numel() // columns, columns, ctx.work.scale, NativeDropout.of(ctx.work.dropout))
        ddropped = gradients[0].contiguous()
        ctx.work.native.call("softmax_backward", dscores.dtype, ddropped, probabilities, dscores, *sizes)
        return dscores, None
