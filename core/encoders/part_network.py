"""Part network: encodes the joints of a hand or the trunk to one feature per frame (paper, section III-A)."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.encoders.adjacency import joint_adjacency, pooled_adjacency
from core.encoders.graph_block import GraphBlock
from core.encoders.layers import LinearBeforeNorm, SubPartPooling
from core.encoders.node_norm import NodeNorm, Unnormalised
from core.encoders.pass_context import DropoutPlace, PassContext
from core.encoders.temporal_block import TemporalBlock
from core.pose.skeleton import PartSkeleton
from core.specs.pretraining import EncoderConfig


class PartNetwork(nn.Module):
    """Graph blocks on joints, max pooling into sub-parts, graph blocks on sub-parts, temporal blocks.

    Frames are independent up to the temporal blocks. Departs from the usual batch norm: the input norm's
    epsilon is a setting, 0.1 in the released code.
    """

    def __init__(self, part: PartSkeleton, config: EncoderConfig) -> None:
        super().__init__()
        self.input_norm = NodeNorm(part.num_joints * 2, eps=config.input_norm_eps)
        joint_widths = (2, *config.graph_block_widths)
        pooled_widths = (joint_widths[-1], *config.pooled_block_widths)
        self.joint_blocks = nn.ModuleList(
            GraphBlock(a, b, joint_adjacency(part), dropout=config.graph_dropout, residual=index > 0)
            for index, (a, b) in enumerate(pairwise(joint_widths))
        )
        self.joint_pooling = SubPartPooling(part.sub_parts)
        self.pooled_blocks = nn.ModuleList(
            GraphBlock(a, b, pooled_adjacency(part), dropout=config.graph_dropout, residual=True)
            for a, b in pairwise(pooled_widths)
        )
        self.sub_part_pooling = SubPartPooling((tuple(range(len(part.sub_parts))),))
        self.joins_sub_parts = config.sub_part_readout == "joined"
        self.has_shortcut = config.coordinate_shortcut
        num_nodes = len(part.sub_parts) if self.joins_sub_parts else 1
        num_coordinates = 2 * part.num_joints if self.has_shortcut else 0
        self.output = LinearBeforeNorm(num_nodes * pooled_widths[-1] + num_coordinates, config.feature_width)
        self.output_norm = NodeNorm(config.feature_width)
        self.output_dropout = DropoutPlace(config.output_dropout)
        self.temporal_blocks = nn.ModuleList(
            TemporalBlock(config.feature_width) for _ in range(config.num_temporal_blocks)
        )

    def forward(self, points: Float[Tensor, "G B T V 2"], context: PassContext) -> Float[Tensor, "G B T C"]:
        """Return one feature per frame for each of G body parts: both hands, or the trunk.

        Section III-A: spatial graph convolutions on joints, then on sub-parts; temporal convolutions.
        """
        joints = nodes = self._joints(points, context)  # (V, G, B*T, 2)
        for block in self.joint_blocks:
            nodes = block(nodes, context)  # (V, G, B*T, D)
        nodes = self.joint_pooling(nodes, context)  # (S, G, B*T, D)
        for block in self.pooled_blocks:
            nodes = block(nodes, context)
        rows = self.output(self._read_out(nodes, joints, context), context)
        rows = self.output_norm(rows, context, relu=True, dropout=self.output_dropout)  # (1, G, B*T, C)
        frames = rows[0].unflatten(1, points.shape[1:3])  # (G, B, T, C)
        for block in self.temporal_blocks:
            frames = block(frames, context)
        return frames

    def _joints(self, points: Float[Tensor, "G B T V 2"], context: PassContext) -> Float[Tensor, "V G R 2"]:
        """Normalise every coordinate, in the weights' precision, and move joints to the first axis."""
        rows = points.to(self.input_norm.weight.dtype).flatten(1, 2).flatten(2)[None]  # (1, G, B*T, V*2)
        rows = self.input_norm(Unnormalised(rows.contiguous()), context)[0].unflatten(2, (-1, 2))
        joints = rows.permute(2, 0, 1, 3).contiguous()  # (V, G, B*T, 2)
        return joints if joints.dtype == torch.float32 else context.in_precision(joints)

    def _read_out(
        self, nodes: Float[Tensor, "S G R C"], joints: Float[Tensor, "V G R 2"], context: PassContext
    ) -> Float[Tensor, "1 G R D"]:
        """Reduce to one row per frame: the maximum over sub-parts.

        Departs from the paper if configured: concatenates all sub-parts, and the joints' coordinates.
        """
        read = _concatenated(nodes) if self.joins_sub_parts else self.sub_part_pooling(nodes, context)
        if self.has_shortcut:
            read = torch.cat([read, _concatenated(joints).to(read.dtype)], dim=-1)
        return read


def _concatenated(nodes: Float[Tensor, "V G R C"]) -> Float[Tensor, "1 G R D"]:
    """Concatenate the channels of all nodes of a row."""
    return nodes.permute(1, 2, 0, 3).flatten(2).unsqueeze(0)
