"""Which nodes are linked: the entries of an adjacency that are not zero, as graph convolutions take them."""

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
    """(node, weight)."""


@dataclass(frozen=True)
class NodeGroup:
    """Consecutive nodes first..last-1 that have neighbours in the same partitions."""

    first: int
    last: int
    partitions: tuple[int, ...]
    first_slot: int

    @property
    def num_slots(self) -> int:
        """Slots of all its nodes."""
        return (self.last - self.first) * len(self.partitions)


@dataclass(frozen=True)
class Neighbourhood:
    """The entries of an adjacency (K, V, V) that are not zero; (k, v, w) weighs what v gives to w."""

    num_nodes: int
    slots: tuple[Slot, ...]
    groups: tuple[NodeGroup, ...]

    @classmethod
    def of(cls, adjacency: Float[Tensor, "K V V"]) -> "Neighbourhood":
        """Read an adjacency; slots are ordered by node, then by partition."""
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
        """What each node weighs in each slot: all slots' sums are this matrix times the nodes."""
        matrix = torch.zeros(len(self.slots), self.num_nodes)
        for row, slot in zip(matrix, self.slots, strict=True):
            for node, weight in slot.neighbours:
                row[node] = weight
        return matrix

    @cached_property
    def native(self) -> "NativeTables":
        """The same as the kernels take it."""
        return NativeTables(self)

    def __deepcopy__(self, _: object) -> "Neighbourhood":
        return self  # nothing of it changes, and the kernels' tables hold addresses


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


class NativeTables:
    """Slots, the slots that read each node, and where each node's sums lie; owns the tables' memory."""

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
