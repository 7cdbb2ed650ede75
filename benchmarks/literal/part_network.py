"""Literal implementation of the part network: (N, C, T, V), 1x1 convolutions, dense graphs.

Modules have the names of the released checkpoints, so that released weights load unchanged. Independent of
`core.encoders`, except for the values of the adjacency matrices.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from core.encoders.adjacency import joint_adjacency, pooled_adjacency
from core.pose.skeleton import PartSkeleton
from core.specs.pretraining import EncoderConfig


class GraphConv(nn.Module):
    """A 1x1 convolution to all partitions, then a dense sum over neighbours."""

    def __init__(self, in_channels: int, out_channels: int, num_partitions: int) -> None:
        super().__init__()
        self.num_partitions = num_partitions
        self.conv = nn.Conv2d(in_channels, num_partitions * out_channels, kernel_size=1)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        x = self.conv(x)
        n, kc, t, v = x.shape
        x = x.view(n, self.num_partitions, kc // self.num_partitions, t, v)
        return torch.einsum("nkctv,kvw->nctw", x, adjacency).contiguous()


class Block(nn.Module):
    """Graph convolution, batch norm, ReLU, dropout, 1x1 convolution, batch norm, dropout; residual; ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_partitions: int,
        dropout: float,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.gcn = GraphConv(in_channels, out_channels, num_partitions)
        self.tcn = nn.Sequential(
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(out_channels, out_channels, kernel_size=1),
            nn.BatchNorm2d(out_channels),
            nn.Dropout(dropout, inplace=True),
        )
        self.has_residual = residual
        self.residual: nn.Module = nn.Identity()
        if residual and in_channels != out_channels:
            self.residual = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1), nn.BatchNorm2d(out_channels)
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        mixed = self.tcn(self.gcn(x, adjacency))
        return self.relu(mixed + self.residual(x) if self.has_residual else mixed)


class TemporalBlock(nn.Module):
    """A convolution over five frames beside two over three, joined by a 1x1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1d_5 = _conv_relu(channels, 5)
        self.conv1d_3_1 = _conv_relu(channels, 3)
        self.conv1d_3_2 = _conv_relu(channels, 3)
        self.conv1x1 = nn.Conv1d(2 * channels, channels, kernel_size=1)
        self.bn = nn.BatchNorm1d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.conv1d_5(x), self.conv1d_3_2(self.conv1d_3_1(x))], dim=1)
        return self.relu(self.bn(self.conv1x1(joined)))


class PartNetwork(nn.Module):
    """Network from one part's points (N, 2, T, V) to one feature per frame (N, C, T)."""

    A: Tensor
    A_pool: Tensor

    def __init__(self, part: PartSkeleton, config: EncoderConfig) -> None:
        super().__init__()
        self.sub_parts = [list(joints) for joints in part.sub_parts]
        self.register_buffer("A", torch.from_numpy(joint_adjacency(part)))
        self.register_buffer("A_pool", torch.from_numpy(pooled_adjacency(part)))
        joint, pooled, width = config.graph_block_widths, config.pooled_block_widths, config.feature_width
        self.data_bn = nn.BatchNorm1d(2 * part.num_joints, config.input_norm_eps)
        self.st_gcn_networks = self._blocks((2, *joint), config.graph_dropout, first_residual=False)
        self.st_gcn_pool = self._blocks((joint[-1], *pooled), config.graph_dropout, first_residual=True)
        self.conv4 = nn.Sequential(
            nn.Conv2d(pooled[-1], width, kernel_size=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Dropout(config.output_dropout),
        )
        self.tcn_full_b1 = TemporalBlock(width)
        self.tcn_full_b2 = TemporalBlock(width)

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v = x.shape
        x = x.permute(0, 3, 1, 2).contiguous().view(n, v * c, t)
        x = self.data_bn(x).view(n, v, c, t).permute(0, 2, 3, 1).contiguous()  # (N, C, T, V)
        for block in self.st_gcn_networks:
            x = block(x, self.A)
        x = torch.stack([x[..., joints].max(dim=-1).values for joints in self.sub_parts], dim=-1)
        for block in self.st_gcn_pool:
            x = block(x, self.A_pool)
        x = self.conv4(x.max(dim=-1, keepdim=True).values).squeeze(-1)  # (N, C, T)
        return self.tcn_full_b2(self.tcn_full_b1(x))

    def _blocks(self, widths: tuple[int, ...], dropout: float, *, first_residual: bool) -> nn.ModuleList:
        return nn.ModuleList(
            Block(a, b, num_partitions=len(self.A), dropout=dropout, residual=first_residual or index > 0)
            for index, (a, b) in enumerate(pairwise(widths))
        )


def _conv_relu(channels: int, kernel_size: int) -> nn.Sequential:
    convolution = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(convolution, nn.ReLU(inplace=True))
