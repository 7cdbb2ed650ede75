"""Knowledge transfer between joint and motion stream (paper, section III-D; L_KT)."""

from jaxtyping import Float
from torch import Tensor

from core.losses.neighbours import neighbour_divergence
from core.specs.pretraining import NeighbourConfig


def knowledge_transfer(
    queries: dict[str, Float[Tensor, "B K"]], keys: dict[str, Float[Tensor, "B K"]], config: NeighbourConfig
) -> Float[Tensor, ""]:
    """Return the sum of both directions: the joint key teaches the motion query, and vice versa.

    `queries` and `keys` hold, for `joint` and `motion`, fused similarities to that stream's key queue.
    """
    return neighbour_divergence(keys["joint"], queries["motion"], config) + neighbour_divergence(
        keys["motion"], queries["joint"], config
    )
