"""Exact nearest-neighbour search by cosine similarity, in blocks of queries and gallery.

Features are centred on the gallery's mean, so that the component common to all clips is ignored.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from core.program.heartbeat import Heartbeat

_GALLERY_BLOCK = 8192
_QUERY_BLOCK = 1024
"""Rows compared at once. Memory holds the similarities of one block only."""


class Neighbours(NamedTuple):
    """The K most similar gallery clips of each query, best first, as similarities and indices (`places`).

    Ties are resolved in favour of the lower index, so the result does not depend on the block sizes.
    """

    similarities: Float[Tensor, "M K"]
    places: Int64[Tensor, "M K"]


def nearest(
    queries: Float[Tensor, "M D"],
    gallery: Float[Tensor, "N D"],
    *,
    num_neighbours: int,
    query_block: int = _QUERY_BLOCK,
    gallery_block: int = _GALLERY_BLOCK,
    heartbeat: Heartbeat = lambda: None,
) -> Neighbours:
    """Return each query's `num_neighbours` nearest gallery clips, at most all N.

    Runs on the queries' device; the gallery is copied there block by block. Calls `heartbeat` before each
    block of the gallery.
    """
    centre = gallery.mean(dim=0).to(queries.device)
    best = [_no_neighbours(block) for block in queries.split(query_block)]
    for first, known in _unit_blocks(gallery, centre, gallery_block):
        heartbeat()
        for number, block in enumerate(queries.split(query_block)):
            found = _nearest_within(unit(block, centre) @ known.T, num_neighbours)
            found = Neighbours(found.similarities, found.places + first)
            best[number] = _merged(best[number], found, num_neighbours)
    return Neighbours(*(torch.cat(pieces) for pieces in zip(*best, strict=True)))


def unit(features: Float[Tensor, "N D"], centre: Float[Tensor, " D"]) -> Float[Tensor, "N D"]:
    """Subtract `centre` from the features and scale each to length 1 (0 for a feature at the centre)."""
    return functional.normalize(features - centre, dim=1)


def _unit_blocks(
    gallery: Float[Tensor, "N D"], centre: Float[Tensor, " D"], block: int
) -> Iterator[tuple[int, Float[Tensor, "n D"]]]:
    for first in range(0, len(gallery), block):
        yield first, unit(gallery[first : first + block].to(centre.device), centre)


def _no_neighbours(queries: Float[Tensor, "M D"]) -> Neighbours:
    return Neighbours(queries.new_empty(len(queries), 0), queries.new_empty(len(queries), 0).long())


def _nearest_within(similarities: Float[Tensor, "M n"], count: int) -> Neighbours:
    """Return the `count` best of each row, indices ascending; a tie at the end goes to the lower indices."""
    count, width = min(count, similarities.shape[1]), similarities.shape[1]
    top = similarities.topk(min(count + 1, width), dim=1)
    places = top.indices[:, :count]
    if count < width:
        tied = top.values[:, count - 1] == top.values[:, count]  # (M,)
        if tied.any():
            ranked = similarities[tied].sort(dim=1, descending=True, stable=True).indices
            places[tied] = ranked[:, :count]
    places = places.sort(dim=1).values
    return Neighbours(similarities.gather(1, places), places)


def _merged(best: Neighbours, found: Neighbours, count: int) -> Neighbours:
    """Return the `count` best of both; `best` has lower indices than `found`, so it wins ties."""
    similarities = torch.cat([best.similarities, found.similarities], dim=1)
    places = torch.cat([best.places, found.places], dim=1)
    ranked = similarities.sort(dim=1, descending=True, stable=True)
    return Neighbours(ranked.values[:, :count], places.gather(1, ranked.indices[:, :count]))
