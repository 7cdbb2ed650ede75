"""Retrieval: each test clip asks for clips of its own gloss among the train clips.

A test clip is a query and the fold's train clips are the gallery, ranked by cosine similarity on features
centred on their mean. Relevant are those of the query's gloss. Equally similar clips count against the query:
the irrelevant rank first, so a feature that says nothing scores as badly as it can.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from core.errors import SplitError
from core.program.heartbeat import Heartbeat
from core.search.neighbours import unit

_SIMILARITIES = 2**25
"""Similarities in memory at once; a block of queries holds as many queries as this allows."""


class Answers(NamedTuple):
    """Of each query: its average precision, and the rank of its first relevant clip.

    The former is the mean over its relevant clips of the precision at that clip's rank, the whole gallery
    ranked. A query without any relevant clip has precision 0 and its first one at infinity.
    """

    average_precision: Float[Tensor, " M"]
    first_rank: Float[Tensor, " M"]


def answers(
    gallery: Float[Tensor, "N D"],
    gallery_labels: Int64[Tensor, " N"],
    queries: Float[Tensor, "M D"],
    query_labels: Int64[Tensor, " M"],
    *,
    similarities_at_once: int = _SIMILARITIES,
    heartbeat: Heartbeat = lambda: None,
) -> Answers:
    """Rank the gallery for every query. Memory: a copy of the gallery and one block of similarities.

    `heartbeat` is called before each block of queries.

    Raises:
        SplitError: no query has a relevant clip.
    """
    centre = gallery.mean(dim=0)
    known = unit(gallery, centre)
    at_once = max(1, similarities_at_once // len(gallery))
    rows: list[Tensor] = []
    for block, labels in zip(queries.split(at_once), query_labels.split(at_once), strict=True):
        heartbeat()
        similarities = unit(block, centre) @ known.T
        rows += (
            _answered(row, gallery_labels == label) for row, label in zip(similarities, labels, strict=True)
        )
    found = Answers(*torch.stack(rows).unbind(dim=1))
    if not torch.isfinite(found.first_rank).any():
        raise SplitError("No test clip has a train clip of its gloss; retrieval has nothing to find.")
    return found


def _answered(similarities: Float[Tensor, " N"], relevant: Bool[Tensor, " N"]) -> Float[Tensor, "2"]:
    """One query's average precision, and the rank of its first relevant clip (infinite where there is none).

    The j-th best relevant clip stands behind j - 1 relevant ones and every irrelevant one that is at least
    as similar.
    """
    wanted = similarities[relevant].sort(descending=True).values  # (R,)
    if len(wanted) == 0:
        return torch.tensor([0.0, float("inf")], dtype=torch.float64)
    others = similarities[~relevant].sort().values
    in_front = len(others) - torch.searchsorted(others, wanted)  # (R,)
    found = torch.arange(1, len(wanted) + 1)
    ranks = found + in_front
    return torch.stack([(found / ranks.double()).mean(), ranks[0].double()])
