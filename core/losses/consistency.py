"""Hand-trunk consistency within a stream (paper, section III-C; L_con)."""

from jaxtyping import Float
from torch import Tensor

from core.config import NeighbourConfig
from core.losses.neighbours import neighbour_divergence


def hand_trunk_consistency(
    queries: dict[str, Float[Tensor, "B K"]], keys: dict[str, Float[Tensor, "B K"]], config: NeighbourConfig
) -> Float[Tensor, ""]:
    """Return both directions' sum: the hand's key teaches the trunk's query, and the trunk's the hand's.

    `queries` and `keys` hold, for `hand` and `trunk`, similarities to that part's queue.

    Departs from the paper: the text compares softmaxes over embedding dimensions; this compares the nearest
    past samples, as the released code does.
    """
    return neighbour_divergence(keys["hand"], queries["trunk"], config) + neighbour_divergence(
        keys["trunk"], queries["hand"], config
    )
