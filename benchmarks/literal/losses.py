"""The method's two kinds of loss, on similarities to the queues."""

import torch
from torch import Tensor
from torch.nn import functional

from core.specs.pretraining import NeighbourConfig

BySpace = dict[str, Tensor]
"""Embedding space (fused, hand, trunk) -> features or embeddings (N, C), or similarities (N, K)."""


def info_nce(positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding the positive (N, 1) before the negatives (N, K)."""
    logits = torch.cat([positives, negatives], dim=1) / temperature
    return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))


def neighbour_divergence(teacher: Tensor, student: Tensor, config: NeighbourConfig) -> Tensor:
    """KL(teacher || student) over the past samples the teacher is most similar to; both (N, K)."""
    nearest, indices = torch.topk(teacher, config.num_neighbours, dim=1)
    target = functional.softmax(nearest / config.teacher_temperature, dim=1)
    guess = functional.log_softmax(torch.gather(student, 1, indices) / config.student_temperature, dim=1)
    return functional.kl_div(guess, target, reduction="batchmean")
