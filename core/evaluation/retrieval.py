"""Retrieval metrics: average precision and rank of the first relevant clip, by cosine similarity.

The queries are the test clips; the gallery is the fold's training clips, centred on their mean. Relevant
clips have the query's gloss. Ties count against the query: irrelevant clips rank first, so that a constant
feature gets the lowest score. Similarities that differ by rounding alone are ties.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from core.errors import SplitError
from core.evaluation.accuracy import ROUNDING_UNITS
from core.program.heartbeat import Heartbeat
from core.search.neighbours import unit

_SIMILARITIES = 2**25
"""Largest number of similarities in memory; it limits the queries of a block."""


class RetrievalRanks(NamedTuple):
    """Average precision and rank of the first relevant clip, for each query.

    Average precision is the mean of the precision at the rank of each relevant clip, over the whole gallery.
    A query without relevant clips has average precision 0 and first rank infinity.
    """

    average_precision: Float[Tensor, " M"]
    first_rank: Float[Tensor, " M"]


def rank_gallery(
    gallery: Float[Tensor, "N D"],
    gallery_labels: Int64[Tensor, " N"],
    queries: Float[Tensor, "M D"],
    query_labels: Int64[Tensor, " M"],
    *,
    similarities_at_once: int = _SIMILARITIES,
    heartbeat: Heartbeat = lambda: None,
) -> RetrievalRanks:
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
            _rank_query(row, gallery_labels == label) for row, label in zip(similarities, labels, strict=True)
        )
    found = RetrievalRanks(*torch.stack(rows).unbind(dim=1))
    if not torch.isfinite(found.first_rank).any():
        raise SplitError(
            "No test clip has a training clip of its gloss, so retrieval cannot be scored. Widen `clips`."
        )
    return found


def _rank_query(similarities: Float[Tensor, " N"], relevant: Bool[Tensor, " N"]) -> Float[Tensor, "2"]:
    """Return a query's average precision and the rank of its first relevant clip (infinity if none).

    The rank of the j-th best relevant clip is j plus the number of irrelevant clips at least as similar, to
    within rounding.
    """
    margin = ROUNDING_UNITS * torch.finfo(similarities.dtype).eps
    wanted = similarities[relevant].sort(descending=True).values  # (R,)
    if len(wanted) == 0:
        return torch.tensor([0.0, float("inf")], dtype=torch.float64)
    others = similarities[~relevant].sort().values
    in_front = len(others) - torch.searchsorted(others, wanted - margin)  # (R,)
    found = torch.arange(1, len(wanted) + 1)
    ranks = found + in_front
    return torch.stack([(found / ranks.double()).mean(), ranks[0].double()])
