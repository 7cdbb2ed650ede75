"""Graph convolution over joints or sub-parts, and the block built on it (paper, section III-A; ST-GCN).

Everything is channels-last: a frame is a row of nodes, a node a row of channels, so that every 1x1
convolution is a plain linear layer.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn


class GraphConvolution(nn.Module):
    """y_w = sum_k sum_v (W_k x_v + b_k) A^k_vw, with one linear map per partition k of the adjacency A."""

    adjacency: Tensor

    def __init__(self, in_width: int, out_width: int, adjacency: Float32[np.ndarray, "K V V"]) -> None:
        super().__init__()
        self.out_width = out_width
        self.num_partitions = len(adjacency)
        self.spread = nn.Linear(in_width, self.num_partitions * out_width)
        self.register_buffer("adjacency", torch.from_numpy(adjacency))

    def forward(self, nodes: Float[Tensor, "N V C"]) -> Float[Tensor, "N V D"]:
        """Mix each node's neighbours."""
        num_frames, num_nodes, _ = nodes.shape
        spread = self.spread(nodes).view(num_frames, num_nodes * self.num_partitions, self.out_width)
        mixing = self.adjacency.permute(2, 1, 0).reshape(num_nodes, -1)  # (W, V*K), spread's order of rows
        return torch.matmul(mixing, spread)  # (N, W, D)


class NodeNorm(nn.BatchNorm1d):
    """Batch norm of channels-last nodes: one mean and variance a channel, over frames and nodes."""

    def forward(self, nodes: Float[Tensor, "*N C"]) -> Float[Tensor, "*N C"]:
        """Normalise."""
        return super().forward(nodes.reshape(-1, nodes.shape[-1])).view_as(nodes)


class GraphBlock(nn.Module):
    """Graph convolution, batch norm, ReLU, dropout, 1x1 convolution, batch norm, dropout; residual; ReLU.

    The residual is absent where `residual` is False, the identity where widths agree, else a 1x1 convolution
    and batch norm.
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
        self.mix = nn.Linear(out_width, out_width)
        self.mix_norm = NodeNorm(out_width)
        self.dropout = nn.Dropout(dropout)
        self.residual = residual
        self.shortcut: nn.Module = nn.Identity()
        if residual and in_width != out_width:
            self.shortcut = nn.Sequential(nn.Linear(in_width, out_width), NodeNorm(out_width))

    def forward(self, nodes: Float[Tensor, "N V C"]) -> Float[Tensor, "N V D"]:
        """Apply the block to every frame."""
        mixed = self.dropout(self.graph_norm(self.graph_conv(nodes)).relu())
        mixed = self.dropout(self.mix_norm(self.mix(mixed)))
        if self.residual:
            mixed = mixed + self.shortcut(nodes)
        return mixed.relu()
