"""The part network: one part's joints to one feature per frame (paper, section III-A)."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.config import EncoderConfig
from core.encoders.adjacency import joint_adjacency, pooled_adjacency
from core.encoders.graph_conv import GraphBlock, NodeNorm
from core.pose.skeleton import PartSkeleton


class TemporalBlock(nn.Module):
    """A k=5 convolution beside two of k=3, concatenated, mixed by a 1x1 convolution, batch norm and ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, 5, padding=2)
        self.narrow_first = nn.Conv1d(width, width, 3, padding=1)
        self.narrow_second = nn.Conv1d(width, width, 3, padding=1)
        self.mix = nn.Linear(2 * width, width)
        self.norm = NodeNorm(width)

    def forward(self, frames: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        """Look at neighbouring frames."""
        columns = frames.transpose(1, 2)  # (B, C, T)
        wide = self.wide(columns).relu()
        narrow = self.narrow_second(self.narrow_first(columns).relu()).relu()
        joined = torch.cat([wide, narrow], dim=1).transpose(1, 2)  # (B, T, 2C)
        return self.norm(self.mix(joined)).relu()


class PartNetwork(nn.Module):
    """Graph blocks on joints, max-pool into sub-parts, graph blocks on those, temporal blocks.

    Frames are seen independently until the temporal blocks. Departs from the usual batch norm: the input
    norm's epsilon is a setting, 0.1 in the released code.
    """

    def __init__(self, part: PartSkeleton, config: EncoderConfig) -> None:
        super().__init__()
        self.sub_parts = [list(joints) for joints in part.sub_parts]
        self.input_norm = nn.BatchNorm1d(part.num_joints * 2, eps=config.input_norm_eps)
        joint_widths = (2, *config.graph_block_widths)
        pooled_widths = (joint_widths[-1], *config.pooled_block_widths)
        self.joint_blocks = nn.ModuleList(
            GraphBlock(a, b, joint_adjacency(part), dropout=config.graph_dropout, residual=index > 0)
            for index, (a, b) in enumerate(pairwise(joint_widths))
        )
        self.pooled_blocks = nn.ModuleList(
            GraphBlock(a, b, pooled_adjacency(part), dropout=config.graph_dropout, residual=True)
            for a, b in pairwise(pooled_widths)
        )
        self.output = nn.Linear(pooled_widths[-1], config.feature_width)
        self.output_norm = NodeNorm(config.feature_width)
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.temporal_blocks = nn.ModuleList(
            TemporalBlock(config.feature_width) for _ in range(config.num_temporal_blocks)
        )

    def forward(self, points: Float[Tensor, "B T V 2"]) -> Float[Tensor, "B T C"]:
        """Return one feature per frame."""
        num_clips, num_frames, num_joints, _ = points.shape
        nodes = self.input_norm(points.reshape(num_clips * num_frames, num_joints * 2))
        nodes = nodes.view(-1, num_joints, 2)  # (B*T, V, 2)
        for block in self.joint_blocks:
            nodes = block(nodes)
        nodes = torch.stack([nodes[:, joints].amax(1) for joints in self.sub_parts], dim=1)  # (B*T, S, C)
        for block in self.pooled_blocks:
            nodes = block(nodes)
        frames = self.output_norm(self.output(nodes.amax(1))).relu()  # (B*T, C)
        frames = self.output_dropout(frames).view(num_clips, num_frames, -1)
        for block in self.temporal_blocks:
            frames = block(frames)
        return frames
