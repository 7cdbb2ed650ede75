"""Graph convolution where it is sparse (paper, section III-A; ST-GCN).

y_w = sum over partitions k of W_k (sum over v of A^k_vw x_v): neighbours are
summed before they are multiplied, and a node is multiplied only by the partitions in which it has some. Nodes
are the outermost axis, so what a node needs lies together.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.autograd import differentiable
from core.kernels.library import NativeLibrary, NativeStructure, runs_natively


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

    @cached_property
    def native(self) -> "_NativeTables":
        """The same as the kernels take it."""
        return _NativeTables(self)

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


def graph_convolution(
    x: Float[Tensor, "V N C"],
    maps: Float[Tensor, "K D C"],
    adjacency: Float[Tensor, "K V V"],
    neighbourhood: Neighbourhood,
    *,
    native: NativeLibrary | None = None,
) -> Float[Tensor, "V N D"]:
    """Mix each node's neighbours by each partition's map, without biases.

    `neighbourhood` is where `adjacency` is not zero.
    """
    if runs_natively(x, native):
        return differentiable(_NativeGraphConvolution, x, maps, neighbourhood, native)
    groups = neighbourhood.groups
    sums = _neighbour_sums(x, adjacency, neighbourhood).split([group.num_slots for group in groups])
    rows = []
    for group, slots in zip(groups, sums, strict=True):  # (n k, N, C)
        by_node = slots.unflatten(0, (-1, len(group.partitions))).transpose(1, 2).flatten(2)  # (n, N, k C)
        rows.append(by_node.flatten(0, 1) @ _merged(maps, group).t())  # (n N, D)
    return torch.cat(rows).unflatten(0, (len(x), -1))


def _neighbour_sums(
    x: Float[Tensor, "V N C"], adjacency: Float[Tensor, "K V V"], neighbourhood: Neighbourhood
) -> Float[Tensor, "S N C"]:
    """Every slot's weighted sum, as one product."""
    rows = [slot.node * len(adjacency) + slot.partition for slot in neighbourhood.slots]
    mixing = adjacency.permute(2, 0, 1).flatten(0, 1)[rows]  # (S, V)
    return (mixing.to(x.dtype) @ x.flatten(1)).unflatten(1, x.shape[1:])


def _merged(maps: Float[Tensor, "K D C"], group: NodeGroup) -> Float[Tensor, "D kC"]:
    """The maps of a group's partitions side by side, so that one product applies them all."""
    every = maps.unbind(0)
    return torch.cat([every[partition] for partition in group.partitions], dim=1)


class _Links(NativeStructure):
    _fields_ = (
        ("num_slots", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("starts", "nodes", "weights", "owners", "ranks")),
    )


class _Sides(NativeStructure):
    _fields_ = (("first", ctypes.c_void_p), ("width", ctypes.c_void_p))


class _NativeTables:
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


class _NativeGraphConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, maps: Tensor, hood: Neighbourhood, native: NativeLibrary) -> Tensor:
        x = x.contiguous()
        num_nodes, num_rows, channels = x.shape
        sums = _gathered(x, hood, native)
        y = x.new_empty(num_nodes, num_rows, maps.shape[1])
        merged = [_merged(maps, group) for group in hood.groups]
        for group, each in zip(hood.groups, merged, strict=True):
            rows = _rows_of(sums, group, num_rows, channels).flatten(0, 1)  # (n N, k C)
            torch.mm(rows, each.t(), out=y[group.first : group.last].flatten(0, 1))
        ctx.save_for_backward(x, maps, *merged)
        ctx.hood, ctx.native = hood, native
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, maps, *merged = ctx.saved_tensors
        hood: Neighbourhood = ctx.hood
        dy = gradients[0].contiguous()
        _, num_rows, channels = x.shape
        sums = _gathered(x, hood, ctx.native)  # again, for they are several times as large as x
        dmaps = torch.zeros(maps.shape, dtype=torch.float32)
        for group, each in zip(hood.groups, merged, strict=True):
            rows = _rows_of(sums, group, num_rows, channels).flatten(0, 1)  # (n N, k C)
            out = dy[group.first : group.last].flatten(0, 1)  # (n N, D)
            share = torch.mm(out.t(), rows).unflatten(1, (len(group.partitions), channels))  # (D, k, C)
            for index, partition in enumerate(group.partitions):
                dmaps[partition] += share[:, index]
            if ctx.needs_input_grad[0]:
                torch.mm(out, each, out=rows)  # the sums' gradient takes their place
        dx = None
        if ctx.needs_input_grad[0]:
            dx = torch.empty_like(x)
            ctx.native.call("neighbours_scatter", dy.dtype, sums, dx, *hood.native.all, num_rows, channels)
        return dx, dmaps.to(maps.dtype), None, None


def _gathered(x: Float[Tensor, "V N C"], hood: Neighbourhood, native: NativeLibrary) -> Float[Tensor, " S"]:
    """Every slot's weighted sum, a node's slots side by side in each row."""
    _, num_rows, channels = x.shape
    sums, tables = x.new_empty(len(hood.slots) * num_rows * channels), hood.native
    native.call("neighbours_gather", x.dtype, x, sums, tables.links, tables.sides, num_rows, channels)
    return sums


def _rows_of(sums: Tensor, group: NodeGroup, num_rows: int, channels: int) -> Float[Tensor, "n N kC"]:
    """The part of the sums that belongs to a group's nodes."""
    start, size = (slots * num_rows * channels for slots in (group.first_slot, group.num_slots))
    return sums[start : start + size].view(group.last - group.first, num_rows, -1)
