"""Layers that take precision, kernels and dropout masks from a `PassContext` (paper, section III-A).

A network's `forward` lists the paper's steps; how each is computed is decided here and in `node_norm`.
Parameters have the names of the PyTorch layers, so checkpoints do not depend on these classes.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from core.encoders.node_norm import Unnormalised
from core.encoders.pass_context import DropoutPlace, PassContext
from core.kernels.attention import attention
from core.kernels.autograd import differentiable
from core.kernels.frame_convolution import frame_convolution
from core.kernels.layer_norm import add_layer_norm
from core.kernels.narrow_layer import Product, each_node_alone, is_narrow
from core.kernels.sub_parts import SubParts, pool_sub_parts


class Linear(nn.Linear):
    """Linear layer in the precision of the pass."""

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "*N C"], context: PassContext
    ) -> Float[Tensor, "*N D"]:
        """Multiply by the weight and add the bias."""
        x = context.in_precision(x)
        return functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class LinearBeforeNorm(nn.Linear):
    """Linear layer, or 1x1 convolution, followed by a batch norm."""

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "V G R C"], context: PassContext
    ) -> Unnormalised | Product:
        """Multiply by the weight, or leave it to the batch norm if the layer is narrow.

        In training the batch norm cancels the bias, so it is left out and its gradient is zero. In evaluation
        it is added.
        """
        x = context.in_precision(x)
        if self.training and context.native is not None and is_narrow(x, self.out_features, context.native):
            return Product(x, self.weight, self.bias, each_node_alone(len(x)))
        weight = self.weight.to(x.dtype)
        if not self.training:
            return Unnormalised(functional.linear(x, weight, self.bias.to(x.dtype)))
        y = differentiable(_WithoutGradient, functional.linear(x, weight), self.bias)
        return Unnormalised(y, left_out=self.bias.detach())


class _WithoutGradient(torch.autograd.Function):
    """Identity on `y`; gives `parameter` a zero gradient, so that weight decay is still applied to it."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, parameter: Tensor) -> Tensor:
        ctx.save_for_backward(parameter)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (parameter,) = ctx.saved_tensors
        return gradients[0], torch.zeros_like(parameter)


class TemporalConvolution(nn.Conv1d):
    """Convolution over the frames of a clip, with padding that keeps their number."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__(width, width, size, padding=size // 2)

    def forward(  # type: ignore[override]
        self, frames: Float[Tensor, "B T C"], context: PassContext, *, relu: bool = False
    ) -> Float[Tensor, "B T C"]:
        """Multiply windows of k frames by the weight, add the bias, and apply ReLU if requested."""
        assert self.bias is not None
        return frame_convolution(frames, self.weight, self.bias, relu=relu, native=context.native)


class TokenNorm(nn.LayerNorm):
    """Layer norm of each token, fused with the preceding dropout and residual."""

    def forward(  # type: ignore[override]
        self,
        branch: Float[Tensor, "B T C"],
        context: PassContext,
        *,
        dropout: DropoutPlace | None = None,
        residual: Float[Tensor, "B T C"] | None = None,
    ) -> Float[Tensor, "B T C"]:
        """Return norm(residual + dropout(branch)); dropout and residual are optional."""
        return add_layer_norm(
            branch,
            residual,
            self.weight,
            self.bias,
            eps=self.eps,
            dropout=context.mask(dropout),
            native=context.native,
        )


class DotProductAttention(nn.Module):
    """Multi-head scaled dot-product attention."""

    def __init__(self, *, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(
        self,
        query: Float[Tensor, "B T C"],
        key: Float[Tensor, "B T C"],
        value: Float[Tensor, "B T C"],
        context: PassContext,
        *,
        dropout: DropoutPlace | None = None,
    ) -> Float[Tensor, "B T C"]:
        """Return dropout(softmax(q k^T / sqrt(C/H))) v of each of H heads, concatenated."""
        mixed = attention(
            self._heads(query),
            self._heads(key),
            self._heads(value),
            dropout=context.mask(dropout),
            native=context.native,
        )
        return mixed.transpose(1, 2).flatten(2)

    def _heads(self, tokens: Float[Tensor, "B T C"]) -> Float[Tensor, "B H T D"]:
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class SubPartPooling(nn.Module):
    """Max pooling over the nodes of each sub-part, such as the joints of a finger."""

    def __init__(self, sub_parts: SubParts) -> None:
        super().__init__()
        self.sub_parts = sub_parts

    def forward(self, nodes: Float[Tensor, "V *N C"], context: PassContext) -> Float[Tensor, "S *N C"]:
        """Pool V nodes into S sub-parts."""
        return pool_sub_parts(nodes, self.sub_parts, native=context.native)
