"""The ONNX operators of `core.encoders.halves`: what both hands do in each half of a clip."""

from onnx import TensorProto
from torch import nn

from core.encoders.halves import Standardised
from core.exchange.graph_writer import GraphWriter, Value
from core.exchange.onnx_streams import about_own_points
from core.pose.skeleton import LEFT_HAND, NUM_HAND_JOINTS, RIGHT_HAND
from core.pose.streams import CROP_CENTRE

Hands = tuple[Value, Value]
"""Frames of the right and the left hand, (B, T, C) each."""


def placed_hands(graph: GraphWriter, points: Value) -> Hands:
    """Write coordinates of the right and the left hand of points (B, T, 49, 2)."""
    flat = []
    for part in (RIGHT_HAND, LEFT_HAND):
        hand = about_own_points(graph, graph.slice(points, 2, part.start, part.stop))
        hand = graph.apply("Sub", hand, graph.number(CROP_CENTRE))
        flat.append(graph.reshape(hand, 0, 0, 2 * NUM_HAND_JOINTS))
    return flat[0], flat[1]


def shown_hands(graph: GraphWriter, hands: Hands, hand_visible: Value) -> Hands:
    """Write the hands with 0 in frames where they are not visible (B, T, 2)."""
    weights = graph.apply("Cast", hand_visible, to=TensorProto.FLOAT)
    right, left = (
        graph.apply("Mul", hand, graph.slice(weights, 2, number, number + 1))
        for number, hand in enumerate(hands)
    )
    return right, left


def shares_of_halves(graph: GraphWriter, points: Value) -> Value:
    """Write the share of each of the frames of points (B, T, 49, 2) in the mean of each half, (2, T)."""
    length = graph.slice(graph.apply("Shape", points), 0, 1, 2)
    num_frames = graph.apply("Squeeze", length)
    half = graph.apply("Div", graph.apply("Add", num_frames, graph.integer(1)), graph.integer(2))
    frames = graph.apply("Range", graph.integer(0), num_frames, graph.integer(1))
    first = graph.apply("Less", frames, half)
    second = graph.apply("GreaterOrEqual", frames, graph.apply("Sub", num_frames, half))
    both = graph.concat([graph.unsqueeze(each, 0) for each in (first, second)], axis=0)
    return graph.apply("Div", *(graph.apply("Cast", each, to=TensorProto.FLOAT) for each in (both, half)))


def by_halves(graph: GraphWriter, hands: Hands, shares: Value) -> Value:
    """Write sum and absolute difference of the hands as means over halves, (B, 4 C)."""
    apart = graph.apply("Abs", graph.apply("Sub", *hands))
    joined = graph.concat([graph.apply("Add", *hands), apart], axis=2)  # (B, T, 2C)
    return graph.apply("Flatten", graph.apply("MatMul", shares, joined), axis=1)


def standardised(graph: GraphWriter, rows: Value, piece: nn.Module) -> Value:
    """Write rows (B, D) by the statistics of a piece."""
    assert isinstance(piece, Standardised)
    apart = graph.apply("Sub", rows, graph.constant(piece.mean))
    return graph.apply("Div", apart, graph.constant(piece.deviation))
