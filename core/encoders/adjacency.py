"""Builds the adjacency matrices of graph convolutions from a body part's skeleton."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float32, Int

from core.pose.skeleton import Link, PartSkeleton

NUM_PARTITIONS = 4
"""Partitions of neighbours: self, farther from the centre, nearer to the centre, symmetric."""


def joint_adjacency(part: PartSkeleton) -> Float32[np.ndarray, "4 V V"]:
    """Return the adjacency over joints: entry (k, v, w) is the weight of v in w's sum in partition k."""
    distances = _hops(part.num_joints, part.child_links, centre=part.centre)
    return _partition(part.num_joints, part.child_links, part.symmetric_links, distances)


def pooled_adjacency(part: PartSkeleton) -> Float32[np.ndarray, "4 S S"]:
    """Return the adjacency over sub-parts, into which joints are pooled."""
    num_nodes = len(part.sub_parts)
    if part.pooled_centre is None:
        distances = np.zeros(num_nodes, dtype=np.int64)
    else:
        distances = _hops(num_nodes, part.pooled_child_links, centre=part.pooled_centre)
    return _partition(num_nodes, part.pooled_child_links, part.pooled_symmetric_links, distances)


def _partition(
    num_nodes: int,
    child_links: Iterable[Link],
    symmetric_links: Iterable[Link],
    distances: Int[np.ndarray, " V"],
) -> Float32[np.ndarray, "4 V V"]:
    """Normalise columns over all links, then split them into the partitions."""
    symmetric = _connections(num_nodes, symmetric_links)
    linked = np.eye(num_nodes, dtype=bool) | symmetric | _connections(num_nodes, child_links)
    weights = linked / linked.sum(0, keepdims=True)
    farther = (distances[:, None] > distances[None, :]) & ~symmetric
    nearer = (distances[:, None] < distances[None, :]) & ~symmetric
    masks = np.stack([np.eye(num_nodes, dtype=bool), farther, nearer, symmetric])
    return (weights * masks).astype(np.float32)


def _connections(num_nodes: int, links: Iterable[Link]) -> np.ndarray:
    matrix = np.zeros((num_nodes, num_nodes), dtype=bool)
    for one, other in links:
        matrix[one, other] = matrix[other, one] = True
    return matrix


def _hops(num_nodes: int, links: Iterable[Link], *, centre: int) -> Int[np.ndarray, " V"]:
    """Return the number of links from `centre` to each node."""
    matrix = _connections(num_nodes, links)
    hops = np.full(num_nodes, -1, dtype=np.int64)
    frontier, distance = np.zeros(num_nodes, dtype=bool), 0
    frontier[centre] = True
    while frontier.any():
        hops[frontier] = distance
        frontier, distance = matrix[frontier].any(0) & (hops < 0), distance + 1
    assert (hops >= 0).all(), "a skeleton is connected"
    return hops
