"""Linear layers in the precision of a pass."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from core.encoders.pass_context import PassContext
from core.kernels.autograd import differentiable


def in_precision(x: Tensor, context: PassContext) -> Tensor:
    """`x` in the precision of the pass' activations."""
    return x if context.dtype is None else x.to(context.dtype)


def linear(x: Float[Tensor, "*N C"], layer: nn.Linear, context: PassContext) -> Float[Tensor, "*N D"]:
    """Apply a linear layer."""
    x = in_precision(x, context)
    return functional.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))


def linear_before_norm(
    x: Float[Tensor, "*N C"], layer: nn.Linear, context: PassContext
) -> tuple[Float[Tensor, "*N D"], Float[Tensor, " D"] | None]:
    """Apply a linear layer whose output goes into a batch norm, and return the bias that was left out.

    In training the norm takes the bias away again: it need not be added, and its gradient is zero. In
    evaluation it counts, is added, and None is returned.
    """
    x = in_precision(x, context)
    if not layer.training:
        return linear(x, layer, context), None
    y = functional.linear(x, layer.weight.to(x.dtype))
    return differentiable(_WithoutGradient, y, layer.bias), layer.bias.detach()


class _WithoutGradient(torch.autograd.Function):
    """Hands on `y`; `parameter` takes part with a gradient of zero, so that weight decay still reaches it."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, parameter: Tensor) -> Tensor:
        ctx.save_for_backward(parameter)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (parameter,) = ctx.saved_tensors
        return gradients[0], torch.zeros_like(parameter)
