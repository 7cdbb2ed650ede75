"""Instance discrimination: InfoNCE (van den Oord et al., 2018; paper, eq. 1)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from core.losses.neighbours import mean_of

NEVER = -1e4
"""Similarity that no temperature makes count; finite, so that no probability becomes NaN."""


def info_nce(
    positives: Float[Tensor, " B"],
    negatives: Float[Tensor, "B K"],
    *,
    temperature: float,
    rows: Bool[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of classifying each query's own key against all negatives.

    `positives` are the queries' cosine similarities to their own keys, `negatives` those to the key queue.
    Of the batch only `rows` count; None: all.
    """
    logits = torch.cat([positives.unsqueeze(1), negatives], dim=1) / temperature  # (B, 1 + K)
    positive_index = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    if rows is None:
        return functional.cross_entropy(logits, positive_index)
    return mean_of(functional.cross_entropy(logits, positive_index, reduction="none"), rows)


def nearest_key_nce(
    by_key: Float[Tensor, "B K"],
    by_query: Float[Tensor, "B K"],
    *,
    temperature: float,
    rows: Bool[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """Return InfoNCE with the past key nearest to each sample's key as its positive (NNCLR; Dwibedi et al.,
    2021): another clip, most likely of the same sign.

    `by_key` and `by_query` are cosine similarities to past keys, `NEVER` to keys that are not there.
    """
    nearest = by_key.argmax(dim=1, keepdim=True)  # (B, 1)
    others = by_query.scatter(1, nearest, NEVER)
    return info_nce(by_query.gather(1, nearest)[:, 0], others, temperature=temperature, rows=rows)
