"""The ONNX graph of a clip encoder: both streams, and the unit-length pieces of the embedding.

The graph is written from the network's modules, not traced, which takes a second instead of minutes.
"""

import onnx
from torch import nn

from core.encoders.pass_context import PassContext
from core.encoders.sign_encoder import SignEncoder
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.graph import EMBEDDING, HAND_VISIBLE, POINTS
from core.exchange.graph_writer import GraphWriter, Value, bool_input, float_input
from core.exchange.onnx_network import sign_encoder
from core.exchange.onnx_streams import streams
from core.pose.skeleton import NUM_JOINTS

_SHORTEST = 1e-12
"""Smallest length by which a feature is divided, that of `torch.nn.functional.normalize`."""


def encoder_model(model: ClipEncoder) -> onnx.ModelProto:
    """Return the graph of `model`, with the inputs and the output of `core.exchange.graph`."""
    graph, folded = GraphWriter(), model.cpu().for_inference(PassContext())
    seen = streams(graph, POINTS, HAND_VISIBLE, model.config.encoder)
    pieces = [
        _unit(graph, piece)
        for stream, parts in seen.items()
        for piece in sign_encoder(graph, _encoder(folded.streams[stream]), parts)
    ]
    inputs = [
        float_input(POINTS, "batch", "frames", NUM_JOINTS, 2),
        bool_input(HAND_VISIBLE, "batch", "frames", 2),
    ]
    output = float_input(EMBEDDING, "batch", model.embedding_width)
    return graph.model(inputs, output, graph.concat(pieces, axis=1), producer="signforge")


def _encoder(module: nn.Module) -> SignEncoder:
    assert isinstance(module, SignEncoder)
    return module


def _unit(graph: GraphWriter, feature: Value) -> Value:
    length = graph.reduce("ReduceL2", feature, 1, keep=True)
    return graph.apply("Div", feature, graph.apply("Max", length, graph.number(_SHORTEST)))
