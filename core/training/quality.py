"""Embedding quality metrics: alignment, uniformity, effective rank, instance accuracy, kNN, collapse.

Pure functions; `core.training.monitoring` chooses their inputs.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.search.knn import knn_scores

_UNIFORMITY_SHARPNESS = 2.0
_LEAST_SPREAD = -0.02
"""Uniformity above which embeddings count as one point: a mean square distance of 0.01."""
_LEAST_RANK = 1.5
_LEAST_FOUND = 0.1
"""Smallest instance accuracy; chance is 0.02 with 64 clips."""
_SPREAD, _RANK, _FOUND = "quality/uniformity/", "quality/effective_rank/", "quality/instance_accuracy/"
_NO_LOGARITHM_OF_ZERO = 1e-7


def alignment(one: Float[Tensor, "N D"], other: Float[Tensor, "N D"]) -> float:
    """Mean square distance of the unit embeddings of a clip's two views (Wang & Isola, 2020); 0 if equal."""
    return float((one - other).square().sum(dim=1).mean())


def uniformity(embeddings: Float[Tensor, "N D"]) -> float:
    """Logarithm of the mean Gaussian potential over pairs of unit embeddings (Wang & Isola, 2020, t = 2).

    0 if all are one point; about -4 if they are uniform on a sphere of many dimensions.
    """
    squares = torch.pdist(embeddings.double()).square()
    return float((-_UNIFORMITY_SHARPNESS * squares).exp().mean().log())


def effective_rank(embeddings: Float[Tensor, "N D"]) -> float:
    """Effective rank: exp of the entropy of the singular values (RankMe, Garrido et al., 2023).

    1 if all have the same direction; at most the smaller of N and D.
    """
    values = torch.linalg.svdvals(embeddings.double())
    shares = values / values.sum().clamp(min=_NO_LOGARITHM_OF_ZERO) + _NO_LOGARITHM_OF_ZERO
    return float((-(shares * shares.log()).sum()).exp())


def queue_similarity(embeddings: Float[Tensor, "N D"], queue: Float[Tensor, "K D"]) -> float:
    """Mean cosine similarity to past keys; near 1 if everything is one point."""
    return float(embeddings.mean(dim=0) @ queue.mean(dim=0))


def instance_accuracy(queries: Float[Tensor, "N D"], keys: Float[Tensor, "N D"]) -> float:
    """Fraction of clips whose other view is nearer than any other clip's, in [0, 1]; ties count as errors."""
    similarities = queries @ keys.T
    own = similarities.diagonal().clone()
    others = similarities.fill_diagonal_(-torch.inf).amax(dim=1)
    return float((own > others).float().mean())


def collapse(metrics: Mapping[str, float]) -> list[str]:
    """Detect collapse from `quality/...` metrics: returns the reasons, empty if there is no collapse.

    Embeddings are collapsed if clips lie within about six degrees of each other, or along one direction, and
    instance accuracy is low too. In a narrow cone with high instance accuracy they may still spread.
    """
    reasons = []
    for stream in sorted({name.rpartition("/")[2] for name in metrics if name.startswith(_SPREAD)}):
        spread, rank = (metrics[f"{measure}{stream}"] for measure in (_SPREAD, _RANK))
        found = metrics[f"{_FOUND}{stream}"]
        if found < _LEAST_FOUND and (spread > _LEAST_SPREAD or rank < _LEAST_RANK):
            reasons.append(
                f"the {stream} embeddings are almost one point or one line (uniformity {spread:.3f}, "
                f"effective rank {rank:.2f}), and instance accuracy is {found:.0%}"
            )
    return reasons


def knn_accuracy(
    gallery: Float[Tensor, "N D"],
    gallery_labels: Int64[Tensor, " N"],
    queries: Float[Tensor, "M D"],
    query_labels: Int64[Tensor, " M"],
    *,
    num_neighbours: int,
    temperature: float,
) -> float:
    """Accuracy of weighted kNN on the queries, as in an evaluation, in [0, 1]."""
    num_classes = int(torch.cat([gallery_labels, query_labels]).max()) + 1
    votes = knn_scores(
        gallery, gallery_labels, queries,
        num_classes=num_classes, num_neighbours=num_neighbours, temperature=temperature,
    )  # fmt: skip
    return float((votes.argmax(dim=1) == query_labels.to(votes.device)).float().mean())
