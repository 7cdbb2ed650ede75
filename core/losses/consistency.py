"""Hand-trunk consistency within a stream (paper, section III-C; L_con)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from core.losses.neighbours import neighbour_divergence
from core.specs.pretraining import NeighbourConfig


def hand_trunk_consistency(
    queries: dict[str, Float[Tensor, "B K"]], keys: dict[str, Float[Tensor, "B K"]], config: NeighbourConfig
) -> Float[Tensor, ""]:
    """Return both directions' sum: the hand's key teaches the trunk's query, and the trunk's the hand's.

    `queries` and `keys` hold, for `hand` and `trunk`, similarities to that part's queue.

    Departs from the paper: the text compares softmaxes over embedding dimensions (`channel_consistency`);
    this compares the nearest past samples, as the released code does.
    """
    return neighbour_divergence(keys["hand"], queries["trunk"], config) + neighbour_divergence(
        keys["trunk"], queries["hand"], config
    )


def channel_consistency(
    queries: dict[str, Float[Tensor, "B D"]], keys: dict[str, Float[Tensor, "B D"]], config: NeighbourConfig
) -> Float[Tensor, ""]:
    """Return both directions' sum of KL(softmax(key) || softmax(query)) over channels (the paper's text).

    `queries` and `keys` hold the embeddings of `hand` and `trunk`. The teacher carries no gradient.
    """
    return _divergence(keys["hand"], queries["trunk"], config) + _divergence(
        keys["trunk"], queries["hand"], config
    )


def _divergence(
    teacher: Float[Tensor, "B D"], student: Float[Tensor, "B D"], config: NeighbourConfig
) -> Float[Tensor, ""]:
    taught = (teacher.detach() / config.teacher_temperature).log_softmax(dim=1)
    learned = (student / config.student_temperature).log_softmax(dim=1)
    return functional.kl_div(learned, taught, reduction="batchmean", log_target=True)
