"""The ONNX graph of a clip encoder: both streams, and the unit-length pieces of the embedding.

The graph is written from the network's modules, not traced, which takes a second instead of minutes.
"""

from collections.abc import Mapping

import onnx
from torch import nn

from core.encoders.pass_context import PassContext
from core.encoders.sign_encoder import SignEncoder
from core.exchange.clip_encoder import HAND_POINTS, ClipEncoder
from core.exchange.graph import EMBEDDING, HAND_VISIBLE, POINTS
from core.exchange.graph_writer import GraphWriter, Value, bool_input, float_input
from core.exchange.onnx_halves import by_halves, placed_hands, shares_of_halves, shown_hands, standardised
from core.exchange.onnx_network import Found, sign_encoder
from core.exchange.onnx_streams import streams
from core.pose.skeleton import NUM_JOINTS

_SHORTEST = 1e-12
"""Smallest length by which a feature is divided, that of `torch.nn.functional.normalize`."""


def encoder_model(model: ClipEncoder) -> onnx.ModelProto:
    """Return the graph of `model`, with the inputs and the output of `core.exchange.graph`."""
    graph, folded = GraphWriter(), model.cpu().for_inference(PassContext())
    seen = streams(graph, POINTS, HAND_VISIBLE, model.config.encoder)
    found = {
        stream: sign_encoder(graph, _encoder(folded.streams[stream]), parts) for stream, parts in seen.items()
    }
    pieces = [piece for each in found.values() for piece in (each.fused, each.hand, each.trunk)]
    if model.halves:
        pieces += _halves(graph, folded.halves, found)
    inputs = [
        float_input(POINTS, "batch", "frames", NUM_JOINTS, 2),
        bool_input(HAND_VISIBLE, "batch", "frames", 2),
    ]
    output = float_input(EMBEDDING, "batch", model.embedding_width)
    return graph.model(
        inputs, output, graph.concat([_unit(graph, piece) for piece in pieces], axis=1), producer="signforge"
    )


def _halves(graph: GraphWriter, pieces: nn.ModuleDict, found: Mapping[str, Found]) -> list[Value]:
    """Write the pieces of `core.encoders.halves`, standardised."""
    hands = {stream: each.hand_frames for stream, each in found.items()}
    hands[HAND_POINTS] = placed_hands(graph, POINTS)
    shown = {name: shown_hands(graph, each, HAND_VISIBLE) for name, each in hands.items()}
    shares = shares_of_halves(graph, POINTS)
    return [standardised(graph, by_halves(graph, each, shares), pieces[name]) for name, each in shown.items()]


def _encoder(module: nn.Module) -> SignEncoder:
    assert isinstance(module, SignEncoder)
    return module


def _unit(graph: GraphWriter, feature: Value) -> Value:
    length = graph.reduce("ReduceL2", feature, 1, keep=True)
    return graph.apply("Div", feature, graph.apply("Max", length, graph.number(_SHORTEST)))
