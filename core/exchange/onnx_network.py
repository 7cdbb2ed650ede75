"""The ONNX operators of one stream's encoder with folded batch norms (paper, section III-A).

Each function writes what the module of the same name in `core.encoders` computes in evaluation.
"""

from dataclasses import dataclass

import numpy as np
import torch
from onnx import TensorProto
from torch import nn

from core.encoders.graph_block import GraphBlock, Widening
from core.encoders.graph_conv import GraphConvolution
from core.encoders.layers import SubPartPooling, TemporalConvolution, TokenNorm
from core.encoders.part_network import PartNetwork
from core.encoders.pooling import HIDDEN_SCORE, AttentionPooling, SegmentPooling
from core.encoders.sign_encoder import SignEncoder
from core.encoders.temporal_block import TemporalBlock
from core.encoders.temporal_transformer import TemporalTransformer, TransformerBlock
from core.exchange.graph_writer import GraphWriter, Value


@dataclass(frozen=True)
class Parts:
    """Points of the parts in the graph, (B, T, V, 2) each, and visible hands (B, T, 2)."""

    right_hand: Value
    left_hand: Value
    trunk: Value
    hand_visible: Value
    num_frames: Value
    """T, as a list of one integer."""
    has_trunk: Value
    """Which clips have a trunk (B, 1)."""


@dataclass(frozen=True)
class Found:
    """An encoder's features in the graph: pooled (B, C), and frames of right and left hand (B, T, C)."""

    fused: Value
    hand: Value
    trunk: Value
    hand_frames: tuple[Value, Value]


def sign_encoder(graph: GraphWriter, encoder: SignEncoder, parts: Parts) -> Found:
    """Write the encoder; returns its features."""
    hands = part_network(graph, encoder.hand_network, [parts.right_hand, parts.left_hand], parts.num_frames)
    trunk = part_network(graph, encoder.trunk_network, [parts.trunk], parts.num_frames)
    both = _group(graph, hands, 0), _group(graph, hands, 1)
    related = transformer(graph, encoder.hand_transformer, graph.concat(both, axis=2))  # (B, T, 2C)
    halves = graph.apply_many("Split", related, outputs=2, axis=2, num_outputs=2)
    tokens = graph.concat([graph.unsqueeze(half, 1) for half in halves], axis=1)  # (B, 2, T, C)
    visible = graph.transpose(parts.hand_visible, 0, 2, 1)  # (B, 2, T)
    hand = pooling(graph, encoder.hand_pooling, tokens, parts.num_frames, visible)
    related = transformer(graph, encoder.trunk_transformer, _group(graph, trunk, 0))  # (B, T, C)
    trunk = pooling(graph, encoder.trunk_pooling, graph.unsqueeze(related, 1), parts.num_frames)
    trunk = graph.apply("Where", parts.has_trunk, trunk, graph.number(0))
    return Found(graph.apply("Add", hand, trunk), hand, trunk, both)


def part_network(graph: GraphWriter, network: PartNetwork, groups: list[Value], num_frames: Value) -> Value:
    """Write a part network; returns frames (G, B, T, C) of G groups of points (B, T, V, 2)."""
    joints = nodes = _joints(graph, network, groups)  # (V, N, 2), N = G B T
    width = 2
    for block in network.joint_blocks:
        nodes, width = _graph_block(graph, block, nodes, width)
    nodes = _sub_parts(graph, network.joint_pooling, nodes)
    for block in network.pooled_blocks:
        nodes, width = _graph_block(graph, block, nodes, width)
    if network.joins_sub_parts:
        rows = _side_by_side(graph, nodes, len(network.joint_pooling.sub_parts) * width)
    else:
        rows = graph.reshape(_sub_parts(graph, network.sub_part_pooling, nodes), -1, width)  # (N, C)
    if network.has_shortcut:
        coordinates = _side_by_side(graph, joints, network.input_norm.num_features)
        rows = graph.concat([rows, coordinates], axis=1)
    rows = graph.apply("Relu", _linear(graph, network.output, rows))  # (N, C)
    width = network.output.out_features
    shape = graph.concat([graph.integers(-1), num_frames, graph.integers(width)], axis=0)
    frames = graph.apply("Reshape", rows, shape)  # (G B, T, C)
    for block in network.temporal_blocks:
        frames = _temporal_block(graph, block, frames)
    shape = graph.concat([graph.integers(len(groups), -1), num_frames, graph.integers(width)], axis=0)
    return graph.apply("Reshape", frames, shape)


def transformer(graph: GraphWriter, network: TemporalTransformer, tokens: Value) -> Value:
    """Write a transformer over tokens (B, T, C)."""
    tokens = _token_norm(graph, network.input_norm, tokens)
    for block in network.blocks:
        assert isinstance(block, TransformerBlock)
        tokens = _transformer_block(graph, block, tokens)
    return tokens


def pooling(
    graph: GraphWriter,
    pool: AttentionPooling | SegmentPooling,
    tokens: Value,
    num_frames: Value,
    visible: Value | None = None,
) -> Value:
    """Write the pooling of tokens (B, P, T, C), of which `visible` (B, P, T) count; returns (B, C)."""
    width = pool.score.in_features
    scores = graph.reshape(_linear(graph, pool.score, tokens), 0, 1, -1)  # (B, 1, N), N = P T
    rows = graph.reshape(tokens, 0, -1, width)  # (B, N, C)
    shown = None if visible is None else graph.reshape(visible, 0, 1, -1)  # (B, 1, N)
    if isinstance(pool, SegmentPooling):
        shown = _segments(graph, pool.num_segments, num_frames, visible)  # (B or 1, S, N)
    if shown is not None:
        scores = graph.apply("Where", shown, scores, graph.number(HIDDEN_SCORE))
    weights = graph.apply("Softmax", scores, axis=2)
    if not isinstance(pool, SegmentPooling):
        return graph.reshape(graph.apply("MatMul", weights, rows), 0, width)
    assert shown is not None
    weights = graph.apply("Mul", weights, graph.apply("Cast", shown, to=TensorProto.FLOAT))
    pooled = graph.apply("MatMul", weights, rows)  # (B, S, C)
    return _linear(graph, pool.join, graph.reshape(pooled, 0, pool.num_segments * width))


def _segments(graph: GraphWriter, count: int, num_frames: Value, visible: Value | None) -> Value:
    """Write which tokens belong to each segment and are visible, (B, S, P T); without `visible` (1, S, T)."""
    zero, one = graph.integer(0), graph.integer(1)
    frames = graph.apply("Range", zero, graph.apply("Squeeze", num_frames), one)
    scaled = graph.apply("Mul", frames, graph.integer(count))
    segment = graph.apply("Div", scaled, num_frames)  # (T,)
    shown = graph.apply("Equal", segment, graph.constant(np.arange(count)[None, :, None]))  # (1, S, T)
    if visible is None:
        return shown
    both = graph.apply("And", graph.unsqueeze(shown, 2), graph.unsqueeze(visible, 1))  # (B, S, P, T)
    return graph.reshape(both, 0, count, -1)


def _joints(graph: GraphWriter, network: PartNetwork, groups: list[Value]) -> Value:
    """Normalise coordinates, and move joints to the first axis: (V, G B T, 2)."""
    norm = network.input_norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    by_node = [graph.unsqueeze(graph.transpose(points, 2, 0, 1, 3), 1) for points in groups]
    rows = graph.reshape(graph.concat(by_node, axis=1), norm.num_features // 2, -1, 2)
    scales, shifts = (graph.constant(each.unflatten(0, (-1, 1, 2))) for each in (scale, shift))  # (V, 1, 2)
    return graph.apply("Add", graph.apply("Mul", rows, scales), shifts)


def _graph_block(graph: GraphWriter, block: nn.Module, nodes: Value, width: int) -> tuple[Value, int]:
    """Write a block on nodes (V, N, C); returns it with its output width."""
    assert isinstance(block, GraphBlock)
    mixed = graph.apply("Relu", _graph_convolution(graph, block.graph_conv, nodes, width))
    mixed = _linear(graph, block.mix, mixed)
    if block.residual:
        residual = nodes
        if isinstance(block.shortcut, Widening):
            residual = _linear(graph, block.shortcut[0], nodes)
        mixed = graph.apply("Add", mixed, residual)
    return graph.apply("Relu", mixed), block.mix.out_features


def _graph_convolution(graph: GraphWriter, layer: GraphConvolution, nodes: Value, width: int) -> Value:
    """Sum neighbours first and multiply afterwards, as `core.kernels.graph_convolution` does."""
    hood = layer.neighbourhood
    maps = layer.spread.weight.unflatten(0, (len(layer.adjacency), -1))  # (K, D, C)
    flat = graph.reshape(nodes, hood.num_nodes, -1)
    sums = graph.apply("MatMul", graph.constant(layer.mixing), flat)
    sums = graph.reshape(sums, len(hood.slots), -1, width)  # (S, N, C)
    outputs = []
    for group in hood.groups:
        count, parts = group.last - group.first, len(group.partitions)
        slots = graph.slice(sums, 0, group.first_slot, group.first_slot + group.num_slots)
        if parts > 1:
            by_node = graph.transpose(
                graph.apply("Reshape", slots, _four(graph, count, parts, width)), 0, 2, 1, 3
            )
            slots = graph.reshape(by_node, count, -1, parts * width)  # (n, N, k C)
        merged = torch.cat([maps[partition] for partition in group.partitions], dim=1)  # (D, k C)
        outputs.append(graph.apply("MatMul", slots, graph.constant(merged.t())))
    offsets = layer.node_offsets().unsqueeze(1)  # (V, 1, D)
    return graph.apply("Add", graph.concat(outputs, axis=0), graph.constant(offsets))


def _four(graph: GraphWriter, count: int, parts: int, width: int) -> Value:
    return graph.integers(count, parts, -1, width)


def _sub_parts(graph: GraphWriter, layer: SubPartPooling, nodes: Value) -> Value:
    """Write the maximum over each sub-part's nodes."""
    most = []
    for part in layer.sub_parts:
        chosen = graph.apply("Gather", nodes, graph.integers(*part), axis=0)
        most.append(graph.reduce("ReduceMax", chosen, 0, keep=True))
    return graph.concat(most, axis=0)


def _side_by_side(graph: GraphWriter, nodes: Value, width: int) -> Value:
    """Concatenate the channels of all nodes (V, N, C) of a row: (N, V C)."""
    return graph.reshape(graph.transpose(nodes, 1, 0, 2), -1, width)


def _temporal_block(graph: GraphWriter, block: nn.Module, frames: Value) -> Value:
    """Write a block on frames (B, T, C)."""
    assert isinstance(block, TemporalBlock)
    by_channel = graph.transpose(frames, 0, 2, 1)  # (B, C, T)
    wide = _temporal_convolution(graph, block.wide, by_channel)
    narrow = _temporal_convolution(graph, block.narrow_first, by_channel)
    narrow = _temporal_convolution(graph, block.narrow_second, narrow)
    joined = graph.transpose(graph.concat([wide, narrow], axis=1), 0, 2, 1)  # (B, T, 2C)
    return graph.apply("Relu", _linear(graph, block.mix, joined))


def _temporal_convolution(graph: GraphWriter, layer: TemporalConvolution, frames: Value) -> Value:
    assert layer.bias is not None
    size = layer.kernel_size[0]
    convolved = graph.apply(
        "Conv", frames, graph.constant(layer.weight), graph.constant(layer.bias), pads=[size // 2] * 2
    )
    return graph.apply("Relu", convolved)


def _transformer_block(graph: GraphWriter, block: TransformerBlock, tokens: Value) -> Value:
    heads, width = block.attention.num_heads, block.query.in_features
    query, key, value = (
        graph.reshape(_linear(graph, layer, tokens), 0, 0, heads, width // heads)
        for layer in (block.query, block.key, block.value)
    )  # (B, T, H, D)
    scores = graph.apply("MatMul", graph.transpose(query, 0, 2, 1, 3), graph.transpose(key, 0, 2, 3, 1))
    scores = graph.apply("Mul", scores, graph.number((width // heads) ** -0.5))
    weights = graph.apply("Softmax", scores, axis=3)  # (B, H, T, T)
    mixed = graph.apply("MatMul", weights, graph.transpose(value, 0, 2, 1, 3))
    mixed = graph.reshape(graph.transpose(mixed, 0, 2, 1, 3), 0, 0, width)
    attended = _linear(graph, block.attended, mixed)
    tokens = _token_norm(graph, block.attention_norm, graph.apply("Add", attended, tokens))
    expanded = graph.apply("Gelu", _linear(graph, block.expand, tokens))
    contracted = _linear(graph, block.contract, expanded)
    return _token_norm(graph, block.feed_forward_norm, graph.apply("Add", contracted, tokens))


def _token_norm(graph: GraphWriter, norm: TokenNorm, tokens: Value) -> Value:
    learned = (graph.constant(each) for each in (norm.weight, norm.bias))
    return graph.apply("LayerNormalization", tokens, *learned, axis=-1, epsilon=norm.eps)


def _linear(graph: GraphWriter, layer: nn.Module, x: Value) -> Value:
    assert isinstance(layer, nn.Linear), f"{type(layer).__name__} is not a folded layer"
    return graph.linear(x, layer.weight, layer.bias)


def _group(graph: GraphWriter, frames: Value, number: int) -> Value:
    """Return one group of (G, B, T, C)."""
    return graph.apply("Gather", frames, graph.integer(number), axis=0)
