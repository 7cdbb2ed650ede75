"""Temporal convolutions over a part's frames (paper, section III-A)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from core.encoders.graph_conv import NodeNorm
from core.encoders.linear import linear_before_norm
from core.encoders.pass_context import PassContext
from core.kernels.windows import frame_windows


class TemporalBlock(nn.Module):
    """A k=5 convolution beside two of k=3, concatenated, mixed by a 1x1 convolution, batch norm and ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, 5, padding=2)
        self.narrow_first = nn.Conv1d(width, width, 3, padding=1)
        self.narrow_second = nn.Conv1d(width, width, 3, padding=1)
        self.mix = nn.Linear(2 * width, width)
        self.norm = NodeNorm(width)

    def forward(self, frames: Float[Tensor, "G B T C"], context: PassContext) -> Float[Tensor, "G B T C"]:
        """Look at neighbouring frames."""
        clips = frames.flatten(0, 1)  # (G*B, T, C)
        wide = _convolution(clips, self.wide, context).relu()
        narrow = _convolution(clips, self.narrow_first, context).relu()
        narrow = _convolution(narrow, self.narrow_second, context).relu()
        joined = torch.cat([wide, narrow], dim=2)  # (G*B, T, 2C)
        rows, left_out = linear_before_norm(joined, self.mix, context)
        rows = rows.view(1, frames.shape[0], -1, rows.shape[2])  # (1, G, B*T, C)
        return self.norm(rows, context, relu=True, left_out=left_out).view_as(frames)


def _convolution(
    clips: Float[Tensor, "B T C"], layer: nn.Conv1d, context: PassContext
) -> Float[Tensor, "B T C"]:
    """The layer as one product of windows with its weight (D, C, k), laid out as (D, k C)."""
    assert layer.bias is not None
    size = layer.kernel_size[0]
    windows = frame_windows(clips, size, native=context.native)  # (B, T, k*C)
    weight = layer.weight.to(clips.dtype).transpose(1, 2).flatten(1)
    return functional.linear(windows, weight, layer.bias.to(clips.dtype))
