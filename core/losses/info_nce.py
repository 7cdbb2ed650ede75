"""Instance discrimination: InfoNCE (van den Oord et al., 2018; paper, eq. 1)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def info_nce(
    positives: Float[Tensor, " B"], negatives: Float[Tensor, "B K"], *, temperature: float
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of classifying each query's own key against all negatives.

    `positives` are the queries' cosine similarities to their own keys, `negatives` those to the key queue.
    """
    logits = torch.cat([positives.unsqueeze(1), negatives], dim=1) / temperature  # (B, 1 + K)
    positive_index = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    return functional.cross_entropy(logits, positive_index)
