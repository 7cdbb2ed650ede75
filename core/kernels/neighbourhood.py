"""Sparse form of an adjacency matrix: its non-zero entries, as used by graph convolutions."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.library import NativeStructure


@dataclass(frozen=True)
class Slot:
    """One node's weighted sum over its neighbours in one partition."""

    node: int
    partition: int
    neighbours: tuple[tuple[int, float], ...]
    """Pairs (node, weight)."""


@dataclass(frozen=True)
class NodeGroup:
    """Consecutive nodes first..last-1 that have neighbours in the same partitions."""

    first: int
    last: int
    partitions: tuple[int, ...]
    first_slot: int

    @property
    def num_slots(self) -> int:
        """Number of slots of all nodes of the group."""
        return (self.last - self.first) * len(self.partitions)


@dataclass(frozen=True)
class Neighbourhood:
    """The non-zero entries of an adjacency (K, V, V); entry (k, v, w) is the weight of v in w's sum."""

    num_nodes: int
    slots: tuple[Slot, ...]
    groups: tuple[NodeGroup, ...]

    @classmethod
    def of(cls, adjacency: Float[Tensor, "K V V"]) -> "Neighbourhood":
        """Convert an adjacency; slots are ordered by node, then by partition."""
        entries = adjacency.tolist()
        num_partitions, num_nodes, _ = adjacency.shape
        sums = (
            Slot(w, k, tuple((v, entries[k][v][w]) for v in range(num_nodes) if entries[k][v][w]))
            for w in range(num_nodes)
            for k in range(num_partitions)
        )
        slots = tuple(slot for slot in sums if slot.neighbours)
        return cls(num_nodes, slots, tuple(_groups(slots, num_nodes)))

    def mixing(self) -> Float[Tensor, "S V"]:
        """Return the weight of each node in each slot; slot sums are this matrix times the nodes."""
        matrix = torch.zeros(len(self.slots), self.num_nodes)
        for row, slot in zip(matrix, self.slots, strict=True):
            for node, weight in slot.neighbours:
                row[node] = weight
        return matrix

    @cached_property
    def native(self) -> "NativeTables":
        """C tables of this neighbourhood for the kernels."""
        return NativeTables(self)

    def __deepcopy__(self, _: object) -> "Neighbourhood":
        return self  # it is immutable, and the kernels' tables contain addresses


def _groups(slots: tuple[Slot, ...], num_nodes: int) -> Iterator[NodeGroup]:
    by_node = [tuple(s.partition for s in slots if s.node == w) for w in range(num_nodes)]
    assert all(by_node), "every node is linked, if only to itself"
    first = slot = 0
    for partitions, alike in groupby(by_node):
        last = first + len(list(alike))
        found = NodeGroup(first, last, partitions, slot)
        yield found
        slot += found.num_slots
        first = last


class _Links(NativeStructure):
    _fields_ = (
        ("num_slots", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("starts", "nodes", "weights", "owners", "ranks")),
    )


class _Sides(NativeStructure):
    _fields_ = (("first", ctypes.c_void_p), ("width", ctypes.c_void_p))


class _Slots(NativeStructure):
    _fields_ = (
        ("num_nodes", ctypes.c_int64),
        ("num_slots", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("first", "partitions", "starts", "nodes", "factors")),
        ("alone", ctypes.c_int64),
    )


class NativeTables:
    """C tables of slots, of the slots that read each node, and of sum positions; owns the memory."""

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        slots = neighbourhood.slots
        widths = [sum(s.node == w for s in slots) for w in range(neighbourhood.num_nodes)]
        firsts = [sum(widths[:w]) for w in range(neighbourhood.num_nodes)]
        owners = [s.node for s in slots]
        ranks = [index - firsts[s.node] for index, s in enumerate(slots)]
        readers = [
            tuple((i, weight) for i, s in enumerate(slots) for v, weight in s.neighbours if v == node)
            for node in range(neighbourhood.num_nodes)
        ]
        self._kept: list[Tensor] = []
        self.links = self._table([s.neighbours for s in slots], owners, ranks)
        self.readers = self._table(readers, owners, ranks)
        self.sides = _Sides(self._integers(firsts), self._integers(widths))
        self.all = (self.links, self.readers, self.sides)
        self.product_slots = _Slots(
            neighbourhood.num_nodes,
            len(slots),
            self._integers([*firsts, len(slots)]),
            self._integers([slot.partition for slot in slots]),
            self.links.starts,
            self.links.nodes,
            self.links.weights,
            all(slot.neighbours == ((slot.node, 1.0),) for slot in slots) and len(slots) == len(widths),
        )

    def _table(
        self, lists: list[tuple[tuple[int, float], ...]], owners: list[int], ranks: list[int]
    ) -> _Links:
        starts = [sum(map(len, lists[:i])) for i in range(len(lists) + 1)]
        flat = [pair for each in lists for pair in each]
        weights = torch.tensor([weight for _, weight in flat], dtype=torch.float32)
        self._kept.append(weights)
        return _Links(
            len(lists),
            self._integers(starts),
            self._integers([node for node, _ in flat]),
            weights.data_ptr(),
            self._integers(owners),
            self._integers(ranks),
        )

    def _integers(self, values: list[int]) -> int:
        tensor = torch.tensor(values, dtype=torch.int64)
        self._kept.append(tensor)
        return tensor.data_ptr()
