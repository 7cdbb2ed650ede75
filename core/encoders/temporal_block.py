"""Temporal-convolution block over the frames of a body part (paper, section III-A)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.encoders.layers import LinearBeforeNorm, TemporalConvolution
from core.encoders.node_norm import NodeNorm
from core.encoders.pass_context import PassContext


class TemporalBlock(nn.Module):
    """A k=5 convolution in parallel with two of k=3; concatenation, 1x1 convolution, batch norm and ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = TemporalConvolution(width, 5)
        self.narrow_first = TemporalConvolution(width, 3)
        self.narrow_second = TemporalConvolution(width, 3)
        self.mix = LinearBeforeNorm(2 * width, width)
        self.norm = NodeNorm(width)

    def forward(self, frames: Float[Tensor, "G B T C"], context: PassContext) -> Float[Tensor, "G B T C"]:
        """Convolve over time (section III-A), in G body parts with separate batch statistics."""
        clips = frames.flatten(0, 1)  # (G*B, T, C)
        wide = self.wide(clips, context, relu=True)
        narrow = self.narrow_first(clips, context, relu=True)
        narrow = self.narrow_second(narrow, context, relu=True)
        joined = torch.cat([wide, narrow], dim=2)  # (G*B, T, 2C)
        rows = joined.view(1, len(frames), -1, joined.shape[2])  # (1, G, B*T, 2C)
        return self.norm(self.mix(rows, context), context, relu=True).view_as(frames)
