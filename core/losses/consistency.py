"""Hand-trunk consistency within a stream (paper, section III-C; L_con)."""

from jaxtyping import Bool, Float
from torch import Tensor

from core.losses.neighbours import mean_divergence, neighbour_divergence
from core.specs.pretraining import NeighbourConfig


def hand_trunk_consistency(
    queries: dict[str, Float[Tensor, "B K"]],
    keys: dict[str, Float[Tensor, "B K"]],
    config: NeighbourConfig,
    rows: Bool[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """Return the sum of both directions: the hand's key teaches the trunk's query, and vice versa.

    `queries` and `keys` hold, for `hand` and `trunk`, similarities to that part's key queue. Of the
    batch only `rows` count; None: all.

    Departs from the paper: the text compares softmaxes over embedding dimensions (`channel_consistency`).
    This function compares similarities to the nearest past samples, like the released code.
    """
    return neighbour_divergence(keys["hand"], queries["trunk"], config, rows) + neighbour_divergence(
        keys["trunk"], queries["hand"], config, rows
    )


def channel_consistency(
    queries: dict[str, Float[Tensor, "B D"]],
    keys: dict[str, Float[Tensor, "B D"]],
    config: NeighbourConfig,
    rows: Bool[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """Return the sum of KL(softmax(key) || softmax(query)) over channels, both directions (paper's text).

    `queries` and `keys` hold the embeddings of `hand` and `trunk`. The teacher carries no gradient.
    """
    return _divergence(keys["hand"], queries["trunk"], config, rows) + _divergence(
        keys["trunk"], queries["hand"], config, rows
    )


def _divergence(
    teacher: Float[Tensor, "B D"],
    student: Float[Tensor, "B D"],
    config: NeighbourConfig,
    rows: Bool[Tensor, " B"] | None,
) -> Float[Tensor, ""]:
    target = (teacher.detach() / config.teacher_temperature).log_softmax(dim=1)
    predicted = (student / config.student_temperature).log_softmax(dim=1)
    return mean_divergence(target, predicted, rows)
