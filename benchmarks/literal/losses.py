"""Literal implementation of both losses, on similarities to the key queues."""

import torch
from torch import Tensor
from torch.nn import functional

from core.specs.pretraining import NeighbourConfig

BySpace = dict[str, Tensor]
"""Embedding space (fused, hand, trunk) -> features or embeddings (N, C), or similarities (N, K)."""


def info_nce(positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of the positive (N, 1) against the negatives (N, K)."""
    logits = torch.cat([positives, negatives], dim=1) / temperature
    return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))


def neighbour_divergence(teacher: Tensor, student: Tensor, config: NeighbourConfig) -> Tensor:
    """Return KL(teacher || student) over the teacher's most similar past samples; both (N, K)."""
    nearest, indices = torch.topk(teacher, config.num_neighbours, dim=1)
    target = functional.softmax(nearest / config.teacher_temperature, dim=1)
    guess = functional.log_softmax(torch.gather(student, 1, indices) / config.student_temperature, dim=1)
    return functional.kl_div(guess, target, reduction="batchmean")
