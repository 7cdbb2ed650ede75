"""Graph-convolution block of part networks (paper, section III-A; ST-GCN, Yan et al., 2018).

Activations are (V, G, R, C): nodes, groups with separate batch statistics (the hands), frames of all clips,
channels. Every 1x1 convolution is a linear layer on channels, without permutation.
"""

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor, nn

from core.encoders.graph_conv import GraphConvolution
from core.encoders.layers import LinearBeforeNorm
from core.encoders.node_norm import NodeNorm
from core.encoders.pass_context import DropoutPlace, PassContext


class GraphBlock(nn.Module):
    """Graph convolution, batch norm, ReLU, dropout, 1x1 convolution, batch norm, dropout; residual; ReLU.

    There is no residual if `residual` is False. It is the identity if widths are equal, else a 1x1
    convolution with batch norm.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        adjacency: Float32[np.ndarray, "K V V"],
        *,
        dropout: float,
        residual: bool,
    ) -> None:
        super().__init__()
        self.graph_conv = GraphConvolution(in_width, out_width, adjacency)
        self.graph_norm = NodeNorm(out_width)
        self.mix = LinearBeforeNorm(out_width, out_width)
        self.mix_norm = NodeNorm(out_width)
        self.graph_dropout = DropoutPlace(dropout)
        self.mix_dropout = DropoutPlace(dropout)
        self.residual = residual
        self.shortcut: nn.Module = nn.Identity()
        if residual and in_width != out_width:
            self.shortcut = Widening(LinearBeforeNorm(in_width, out_width), NodeNorm(out_width))

    def forward(self, nodes: Float[Tensor, "V G R C"], context: PassContext) -> Float[Tensor, "V G R D"]:
        """Apply the block to every frame (section III-A), in the order of the class docstring."""
        mixed = self.graph_conv(nodes, context)
        mixed = self.graph_norm(mixed, context, relu=True, dropout=self.graph_dropout)
        mixed = self.mix(mixed, context)
        residual = self._residual(nodes, context)
        return self.mix_norm(mixed, context, dropout=self.mix_dropout, residual=residual, relu=True)

    def _residual(
        self, nodes: Float[Tensor, "V G R C"], context: PassContext
    ) -> Float[Tensor, "V G R D"] | None:
        if not self.residual:
            return None
        return self.shortcut(nodes, context) if isinstance(self.shortcut, Widening) else nodes


class Widening(nn.Sequential):
    """Residual branch with another width: 1x1 convolution and batch norm."""

    def forward(  # type: ignore[override]
        self, nodes: Float[Tensor, "V G R C"], context: PassContext
    ) -> Float[Tensor, "V G R D"]:
        """Apply the convolution and the norm."""
        convolution, norm = self
        return norm(convolution(nodes, context), context)
