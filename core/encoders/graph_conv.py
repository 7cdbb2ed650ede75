"""Graph convolution over joints or sub-parts (paper, section III-A; ST-GCN, Yan et al., 2018).

Activations are (V, G, R, C): nodes, groups with separate batch statistics (the hands), frames of all clips,
channels.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from core.encoders.node_norm import Unnormalised
from core.encoders.pass_context import PassContext
from core.kernels.graph_convolution import graph_convolution
from core.kernels.narrow_layer import Product, is_narrow
from core.kernels.neighbourhood import Neighbourhood


class GraphConvolution(nn.Module):
    """y_w = sum_k sum_v (W_k x_v + b_k) A^k_vw, with one linear map per partition k of the adjacency A.

    `shift` (D,) is added to every node if a batch norm was folded into the layer.
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

    def forward(self, nodes: Float[Tensor, "V G R C"], context: PassContext) -> Unnormalised | Product:
        """Sum each node's neighbours in the precision of `nodes`; biases are returned as offsets.

        A narrow layer leaves sum and product to the batch norm.
        """
        width = self.spread.out_features // len(self.adjacency)
        if self.training and context.native is not None and is_narrow(nodes, width, context.native):
            return Product(nodes, self.spread.weight, self.spread.bias, self.neighbourhood)
        maps = self.spread.weight.to(nodes.dtype).unflatten(0, (len(self.adjacency), -1))  # (K, D, C)
        mixed = graph_convolution(
            nodes.flatten(1, 2), maps, self.mixing, self.neighbourhood, native=context.native
        )
        mixed = context.in_precision(mixed.unflatten(1, nodes.shape[1:3]))
        return Unnormalised(mixed, offsets=self.node_offsets())

    def node_offsets(self) -> Float[Tensor, "V D"]:
        """Return each node's bias: the sum of b_k A^k_vw over partitions k and neighbours v."""
        biases = self.spread.bias.unflatten(0, (len(self.adjacency), -1))  # (K, D)
        offsets = self.adjacency.sum(1).T @ biases.to(self.adjacency.dtype)
        return offsets if self.shift is None else offsets + self.shift


def _read_adjacency(module: nn.Module, _: Any) -> None:
    """Rebuild the neighbour tables from the adjacency of a loaded checkpoint."""
    assert isinstance(module, GraphConvolution)
    module.neighbourhood = Neighbourhood.of(module.adjacency)
    module.mixing = module.neighbourhood.mixing().to(module.adjacency.device)
