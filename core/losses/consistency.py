"""Hand-trunk consistency within a stream (paper, section III-C; L_con)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from core.losses.neighbours import neighbour_divergence
from core.specs.pretraining import NeighbourConfig


def hand_trunk_consistency(
    queries: dict[str, Float[Tensor, "B K"]], keys: dict[str, Float[Tensor, "B K"]], config: NeighbourConfig
) -> Float[Tensor, ""]:
    """Return the sum of both directions: the hand's key teaches the trunk's query, and vice versa.

    `queries` and `keys` hold, for `hand` and `trunk`, similarities to that part's key queue.

    Departs from the paper: the text compares softmaxes over embedding dimensions (`channel_consistency`).
    This function compares similarities to the nearest past samples, like the released code.
    """
    return neighbour_divergence(keys["hand"], queries["trunk"], config) + neighbour_divergence(
        keys["trunk"], queries["hand"], config
    )


def channel_consistency(
    queries: dict[str, Float[Tensor, "B D"]], keys: dict[str, Float[Tensor, "B D"]], config: NeighbourConfig
) -> Float[Tensor, ""]:
    """Return the sum of KL(softmax(key) || softmax(query)) over channels, both directions (paper's text).

    `queries` and `keys` hold the embeddings of `hand` and `trunk`. The teacher carries no gradient.
    """
    return _divergence(keys["hand"], queries["trunk"], config) + _divergence(
        keys["trunk"], queries["hand"], config
    )


def _divergence(
    teacher: Float[Tensor, "B D"], student: Float[Tensor, "B D"], config: NeighbourConfig
) -> Float[Tensor, ""]:
    target = (teacher.detach() / config.teacher_temperature).log_softmax(dim=1)
    predicted = (student / config.student_temperature).log_softmax(dim=1)
    return functional.kl_div(predicted, target, reduction="batchmean", log_target=True)
