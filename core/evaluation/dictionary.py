"""Dictionary look-up: a query ranks all glosses by their nearest exemplar (Desai et al., 2023, ASL Citizen).

Similarity is the cosine of features centred on the exemplars' mean.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.program.heartbeat import Heartbeat
from core.search.neighbours import unit

_SIMILARITIES = 2**25
"""Largest number of similarities in memory; it limits the queries of a block."""


def dictionary_scores(
    exemplars: Float[Tensor, "N D"],
    exemplar_labels: Int64[Tensor, " N"],
    queries: Float[Tensor, "M D"],
    *,
    num_classes: int,
    similarities_at_once: int = _SIMILARITIES,
    heartbeat: Heartbeat = lambda: None,
) -> Float[Tensor, "M C"]:
    """Return the similarity of each query to the nearest exemplar of each gloss.

    A gloss without exemplars has the score -inf, so that it is ranked last. `heartbeat` is called before each
    block of queries.
    """
    centre = exemplars.mean(dim=0)
    known = unit(exemplars, centre)
    pieces = []
    for block in queries.split(max(1, similarities_at_once // len(exemplars))):
        heartbeat()
        similarities = unit(block, centre) @ known.T
        nearest = similarities.new_full((len(block), num_classes), -torch.inf)
        glosses = exemplar_labels.to(nearest.device).expand_as(similarities)
        pieces.append(nearest.scatter_reduce_(1, glosses, similarities, reduce="amax"))
    return torch.cat(pieces)
