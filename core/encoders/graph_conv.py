"""Graph convolution over joints or sub-parts, and the block built on it (paper, section III-A; ST-GCN).

Activations are (V, G, R, C): nodes, groups with batch statistics of their own (the hands), frames of all
clips, channels. Every 1x1 convolution is a plain linear layer on rows of channels, and nothing is permuted.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from core.encoders.linear import in_precision, linear_before_norm
from core.encoders.pass_context import DropoutPlace, PassContext
from core.kernels.batch_norm import Moments, batch_moments, batch_norm
from core.kernels.dropout import Dropout
from core.kernels.graph_convolution import graph_convolution
from core.kernels.neighbourhood import Neighbourhood


class GraphConvolution(nn.Module):
    """y_w = sum_k sum_v (W_k x_v + b_k) A^k_vw, with one linear map per partition k of the adjacency A.

    `shift` (D,) is added to every node, where a batch norm was folded into the layer.
    """

    adjacency: Tensor
    mixing: Tensor

    def __init__(self, in_width: int, out_width: int, adjacency: Float32[np.ndarray, "K V V"]) -> None:
        super().__init__()
        self.spread = nn.Linear(in_width, len(adjacency) * out_width)
        self.register_buffer("adjacency", torch.from_numpy(adjacency))
        self.neighbourhood = Neighbourhood.of(self.adjacency)
        self.register_buffer("mixing", self.neighbourhood.mixing(), persistent=False)
        self.shift: Tensor | None = None
        self.register_load_state_dict_post_hook(_read_adjacency)  # type: ignore[no-untyped-call]

    def offsets(self) -> Float[Tensor, "V D"]:
        """What the biases come to at each node."""
        biases = self.spread.bias.unflatten(0, (len(self.adjacency), -1))  # (K, D)
        offsets = self.adjacency.sum(1).T @ biases.to(self.adjacency.dtype)
        return offsets if self.shift is None else offsets + self.shift

    def forward(self, nodes: Float[Tensor, "V G R C"], context: PassContext) -> Float[Tensor, "V G R D"]:
        """Mix each node's neighbours, in the precision of the nodes, without the offsets."""
        maps = self.spread.weight.to(nodes.dtype).unflatten(0, (len(self.adjacency), -1))  # (K, D, C)
        mixed = graph_convolution(
            nodes.flatten(1, 2), maps, self.mixing, self.neighbourhood, native=context.native
        )
        return mixed.unflatten(1, nodes.shape[1:3])


def _read_adjacency(module: nn.Module, _: Any) -> None:
    """A checkpoint brings its own adjacency."""
    assert isinstance(module, GraphConvolution)
    module.neighbourhood = Neighbourhood.of(module.adjacency)
    module.mixing = module.neighbourhood.mixing().to(module.adjacency.device)


class NodeNorm(nn.BatchNorm1d):
    """Batch norm of (V, G, R, C): one mean and variance a group and channel, over nodes and rows.

    Running statistics take in the groups one after the other, as calls of their own would.
    """

    def forward(  # type: ignore[override]
        self,
        x: Float[Tensor, "V G R C"],
        context: PassContext,
        *,
        relu: bool = False,
        offsets: Float[Tensor, "V C"] | None = None,
        dropout: Dropout | None = None,
        residual: Float[Tensor, "V G R C"] | None = None,
        left_out: Float[Tensor, " C"] | None = None,
    ) -> Float[Tensor, "V G R C"]:
        """Add offsets, normalise, drop out, add the residual and rectify, each where asked to.

        `left_out`: a bias that `x` lacks, because the norm takes it away again; the running mean has it.
        """
        return batch_norm(
            x,
            self._moments(x, offsets, left_out, context),
            self.weight,
            self.bias,
            eps=self.eps,
            relu=relu,
            offsets=offsets,
            dropout=dropout,
            residual=residual,
            all_reduce=context.all_reduce,
            moves=self.training,
            native=context.native,
        )

    def _moments(
        self,
        x: Float[Tensor, "V G R C"],
        offsets: Tensor | None,
        left_out: Tensor | None,
        context: PassContext,
    ) -> Moments:
        if self.training:
            moments = batch_moments(
                x, offsets, all_reduce=context.all_reduce, num_ranks=context.num_ranks, native=context.native
            )
            self._remember(moments, left_out)
            return moments
        assert self.running_mean is not None
        assert self.running_var is not None
        num_groups = x.shape[1]
        return Moments(self.running_mean.repeat(num_groups, 1), self.running_var.repeat(num_groups, 1), 1)

    @torch.no_grad()
    def _remember(self, moments: Moments, left_out: Float[Tensor, " C"] | None) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        unbiased = moments.variance * (moments.count / max(moments.count - 1, 1))
        means = moments.mean if left_out is None else moments.mean + left_out
        for mean, variance in zip(means, unbiased, strict=True):
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum or 0.0)
            self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum or 0.0)
        self.num_batches_tracked.add_(len(moments.mean))


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
        self.graph_dropout = DropoutPlace(dropout)
        self.mix_dropout = DropoutPlace(dropout)
        self.residual = residual
        self.shortcut: nn.Module = nn.Identity()
        if residual and in_width != out_width:
            self.shortcut = nn.Sequential(nn.Linear(in_width, out_width), NodeNorm(out_width))

    def forward(
        self, nodes: Float[Tensor, "V G R C"], context: PassContext, *, rows_per_clip: int
    ) -> Float[Tensor, "V G R D"]:
        """Apply the block to every frame."""
        mixed = in_precision(self.graph_conv(nodes, context), context)
        dropout = self.graph_dropout(context, rows_per_clip=rows_per_clip)
        offsets = self.graph_conv.offsets()
        mixed = self.graph_norm(mixed, context, relu=True, dropout=dropout, offsets=offsets)
        mixed, left_out = linear_before_norm(mixed, self.mix, context)
        dropout = self.mix_dropout(context, rows_per_clip=rows_per_clip)
        residual = self._carried(nodes, context)
        return self.mix_norm(mixed, context, relu=True, dropout=dropout, residual=residual, left_out=left_out)

    def _carried(self, nodes: Float[Tensor, "V G R C"], context: PassContext) -> Tensor | None:
        """What the block adds to its result."""
        if not self.residual:
            return None
        if not isinstance(self.shortcut, nn.Sequential):
            return nodes
        widen, norm = self.shortcut[0], self.shortcut[1]
        assert isinstance(widen, nn.Linear)
        widened, left_out = linear_before_norm(nodes, widen, context)
        carried: Tensor = norm(widened, context, left_out=left_out)
        return carried
