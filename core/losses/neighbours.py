"""KL divergence over nearest past samples, used by consistency and knowledge transfer."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from core.specs.pretraining import NeighbourConfig


def neighbour_divergence(
    teacher_similarities: Float[Tensor, "B K"],
    student_similarities: Float[Tensor, "B K"],
    config: NeighbourConfig,
    rows: Bool[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """Return KL(teacher || student) over the teacher's nearest past samples, mean over the batch.

    Column i of both is the same past sample. The teacher carries no gradient. Of the batch only `rows` count;
    None: all.
    """
    nearest = teacher_similarities.detach().topk(config.num_neighbours, dim=1)
    teacher = (nearest.values / config.teacher_temperature).log_softmax(dim=1)  # (B, N)
    student = student_similarities.gather(1, nearest.indices) / config.student_temperature  # (B, N)
    return mean_divergence(teacher, student.log_softmax(dim=1), rows)


def mean_divergence(
    teacher: Float[Tensor, "B N"], student: Float[Tensor, "B N"], rows: Bool[Tensor, " B"] | None
) -> Float[Tensor, ""]:
    """Return KL(teacher || student) of log-probabilities, mean over the `rows` of the batch; None: all."""
    if rows is None:
        return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return mean_of(functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1), rows)


def mean_of(values: Float[Tensor, " B"], rows: Bool[Tensor, " B"]) -> Float[Tensor, ""]:
    """Return the mean of some rows' values; 0 if there are none."""
    return torch.where(rows, values, torch.zeros_like(values)).sum() / rows.sum().clamp(min=1)
