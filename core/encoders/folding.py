"""Batch-norm folding for inference: merges every batch norm into the linear layer before it, in a copy.

After training, running statistics are constants. The norm's scale and shift are merged into the layer's
weight and bias; the residual and the ReLU remain.
"""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.encoders.graph_block import GraphBlock, Widening
from core.encoders.graph_conv import GraphConvolution
from core.encoders.layers import LinearBeforeNorm
from core.encoders.node_norm import NodeNorm, Unnormalised
from core.encoders.part_network import PartNetwork
from core.encoders.pass_context import DropoutPlace, PassContext
from core.encoders.sign_encoder import SignEncoder
from core.encoders.temporal_block import TemporalBlock
from core.kernels.batch_norm import passes_for


class FoldedNorm(nn.Module):
    """Replaces a folded batch norm: only offsets, residual and ReLU remain."""

    def forward(
        self,
        x: Unnormalised,
        context: PassContext,
        *,
        relu: bool = False,
        dropout: DropoutPlace | None = None,
        residual: Float[Tensor, "V G R C"] | None = None,
    ) -> Float[Tensor, "V G R C"]:
        """Add the offsets and the residual, and apply ReLU, where requested."""
        assert context.mask(dropout) is None, "a folded encoder is for inference only"
        assert x.left_out is None, "in evaluation the layer adds its bias"
        return passes_for(x.rows, context.native).rectified(x.rows, x.offsets, residual, relu=relu)


def folded(encoder: SignEncoder, *, dtype: torch.dtype | None = None) -> SignEncoder:
    """Return a copy in evaluation mode with all batch norms folded except the input's.

    Matrix products are in `dtype`. The copy computes the same features up to rounding. It cannot be trained
    and is not saved to disk.
    """
    encoder = copy.deepcopy(encoder).eval().requires_grad_(False)
    for module in list(encoder.modules()):
        match module:
            case GraphBlock():
                _fold_graph_block(module)
            case PartNetwork():
                _fold(module.output, module.output_norm)
                module.output_norm = FoldedNorm()  # type: ignore[assignment]
            case TemporalBlock():
                _fold(module.mix, module.norm)
                module.norm = FoldedNorm()  # type: ignore[assignment]
    if dtype is not None:
        _round_weights(encoder, dtype)
    return encoder


def _fold_graph_block(block: GraphBlock) -> None:
    scale, shift = _scale_and_shift(block.graph_norm)
    convolution = block.graph_conv
    repeated = scale.repeat(len(convolution.adjacency))  # (K D,)
    convolution.spread.weight.mul_(repeated[:, None])
    convolution.spread.bias.mul_(repeated)
    convolution.shift = shift
    _fold(block.mix, block.mix_norm)
    block.graph_norm = block.mix_norm = FoldedNorm()  # type: ignore[assignment]
    if isinstance(block.shortcut, Widening):
        widen, norm = block.shortcut
        assert isinstance(widen, LinearBeforeNorm)
        assert isinstance(norm, NodeNorm)
        _fold(widen, norm)
        block.shortcut = Widening(widen, FoldedNorm())


def _fold(layer: nn.Linear, norm: NodeNorm) -> None:
    scale, shift = _scale_and_shift(norm)
    layer.weight.mul_(scale[:, None])
    layer.bias.mul_(scale).add_(shift)


def _scale_and_shift(norm: NodeNorm) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale, norm.bias - norm.running_mean * scale


def _round_weights(encoder: SignEncoder, dtype: torch.dtype) -> None:
    """Convert weights to `dtype` once instead of at every use, except those used in full precision."""
    exact = [*encoder.hand_pooling.modules(), *encoder.trunk_pooling.modules()]
    for network in (encoder.hand_network, encoder.trunk_network):
        first = network.joint_blocks[0]
        assert isinstance(first, GraphBlock)
        assert isinstance(first.graph_conv, GraphConvolution)
        exact.append(first.graph_conv.spread)
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv1d) and not any(module is each for each in exact):
            module.to(dtype)
