"""Weighted k-nearest neighbours (Wu et al., 2018): neighbours vote with exp(similarity / temperature)."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

_BLOCK = 1024
"""Test clips compared at once; bounds memory to this many rows of similarities."""


def knn_scores(
    train: Float[Tensor, "N D"],
    train_labels: Int64[Tensor, " N"],
    test: Float[Tensor, "M D"],
    *,
    num_classes: int,
    num_neighbours: int,
    temperature: float,
) -> Float[Tensor, "M C"]:
    """Return each test clip's votes by class; cosine similarity on features centred on the train mean.

    At most all train clips are neighbours.
    """
    centre = train.mean(dim=0)
    known = functional.normalize(train - centre, dim=1)
    blocks = [
        _votes(
            functional.normalize(block - centre, dim=1) @ known.T,
            train_labels,
            num_classes=num_classes,
            num_neighbours=min(num_neighbours, len(train)),
            temperature=temperature,
        )
        for block in test.split(_BLOCK)
    ]
    return torch.cat(blocks)


def _votes(
    similarities: Float[Tensor, "M N"],
    labels: Int64[Tensor, " N"],
    *,
    num_classes: int,
    num_neighbours: int,
    temperature: float,
) -> Float[Tensor, "M C"]:
    nearest = similarities.topk(num_neighbours, dim=1)
    weights = ((nearest.values - nearest.values[:, :1]) / temperature).exp()  # the nearest weighs 1
    votes = similarities.new_zeros(len(similarities), num_classes)
    return votes.scatter_add_(1, labels[nearest.indices], weights)
