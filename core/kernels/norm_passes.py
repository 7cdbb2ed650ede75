"""What a batch norm does with whole activations, once in plain PyTorch and once in C++.

Everything that goes over all rows is here; `batch_norm.py` has what lies between, on tables of a few
channels. x and y are (V, G, R, C), offsets (V, C) are added to x wherever it is read.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.dropout import Dropout, NativeDropout, keep_mask
from core.kernels.library import NativeLibrary, NativeStructure, runs_natively

Sums = Float[Tensor, "2 G C"]
"""Of the gradient, and of the gradient times the centred input, over nodes and rows."""
Coefficients = Float[Tensor, "3 G C"]
"""dx = first * gradient + second * centred input + third."""


_SLAB = 1 << 19
"""Elements of a slab, about: 2 MiB of float32."""


@dataclass(frozen=True)
class Ending:
    """What follows the norm."""

    relu: bool
    dropout: Dropout | None

    @property
    def scale(self) -> float:
        """What is not dropped is multiplied by it."""
        return 1.0 if self.dropout is None else self.dropout.scale


@dataclass(frozen=True)
class Backward:
    """What the backward pass over all rows gives; no gradient of a residual where there is none."""

    dx: Float[Tensor, "V G R C"]
    dresidual: Float[Tensor, "V G R C"] | None
    sums: Sums


@runtime_checkable
class NormPasses(Protocol):
    """The passes."""

    def moments(self, x: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance (G, C) over nodes and rows."""

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        scale: Tensor,
        shift: Tensor,
        residual: Tensor | None,
        ending: Ending,
    ) -> Tensor:
        """y = relu(dropout(scale * (x + offsets) + shift) + residual), with scale and shift (G, C)."""

    def backward(
        self,
        dy: Tensor,
        saved: tuple[Tensor, Tensor, Tensor, Tensor],
        coefficients: Callable[[Sums], Coefficients],
        ending: Ending,
        *,
        has_residual: bool,
    ) -> Backward:
        """Go back through y; `saved`: x, offsets, y, mean. Asks for coefficients once, with the sums."""

    def node_sums(self, x: Tensor) -> Tensor:
        """Each node's sum over groups and rows (V, C)."""

    def rectified(self, x: Tensor, offsets: Tensor | None, residual: Tensor | None, *, relu: bool) -> Tensor:
        """relu(x + offsets + residual) without a gradient: what is left where a norm was folded away."""


def passes_for(x: Tensor, native: NativeLibrary | None) -> NormPasses:
    """The kernels where they can, else plain PyTorch."""
    if runs_natively(x, native):
        assert native is not None
        return NativePasses(native)
    return PlainPasses()


class PlainPasses:
    """The specification: any device, and float64 too.

    It goes slab by slab, some nodes at a time, so that what lies between stays in a processor's cache.
    """

    def moments(self, x: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """See `NormPasses`. From sums of differences to each group's first row, which keeps them small."""
        pivot = x[0, :, 0] + offsets[0]  # (G, C)
        moves = (offsets[:, None] - pivot)[:, :, None]  # (V, G, 1, C)
        sums = x.new_zeros(2, *pivot.shape, dtype=torch.float64)
        for nodes in _slabs(x):
            moved = x[nodes].to(offsets.dtype, copy=True).add_(moves[nodes])
            sums += torch.stack([_total(moved), _total(moved.square_())])
        shift, square = sums / (x.shape[0] * x.shape[2])
        return pivot + shift, (square - shift.square()).clamp(min=0)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        scale: Tensor,
        shift: Tensor,
        residual: Tensor | None,
        ending: Ending,
    ) -> Tensor:
        """See `NormPasses`. Offsets, shift and the scale of dropout are taken together beforehand."""
        shifts = (offsets[:, None] * scale + shift)[:, :, None] * ending.scale  # (V, G, 1, C)
        scales = scale[:, None] * ending.scale  # (G, 1, C)
        done = torch.empty_like(x)
        for nodes in _slabs(x):
            y = x[nodes].to(offsets.dtype, copy=True).mul_(scales).add_(shifts[nodes])
            _drop_in_place(y, ending.dropout, x.shape, nodes)
            if residual is not None:
                y.add_(residual[nodes])
            done[nodes] = y.relu_() if ending.relu else y
        return done

    def backward(
        self,
        dy: Tensor,
        saved: tuple[Tensor, Tensor, Tensor, Tensor],
        coefficients: Callable[[Sums], Coefficients],
        ending: Ending,
        *,
        has_residual: bool,
    ) -> Backward:
        """See `NormPasses`."""
        x, offsets, y, mean = saved
        moves = (offsets[:, None] - mean)[:, :, None]  # (V, G, 1, C)
        sums = x.new_zeros(2, *mean.shape, dtype=torch.float64)
        dx, dresidual = torch.empty_like(x), torch.empty_like(x) if has_residual else None
        gradients = []
        for nodes in _slabs(x):
            through = torch.ops.aten.threshold_backward(dy[nodes], y[nodes], 0) if ending.relu else dy[nodes]
            if dresidual is not None:
                dresidual[nodes] = through
            gradient = through.to(offsets.dtype, copy=True)
            _drop_in_place(gradient, ending.dropout, x.shape, nodes)
            centred = x[nodes].to(offsets.dtype, copy=True).add_(moves[nodes])
            sums += torch.stack([_total(gradient), _total(centred.mul_(gradient))]) * ending.scale
            gradients.append(gradient)
        slope, slant, level = coefficients(sums).to(offsets.dtype)[:, :, None]  # (G, 1, C)
        slope, levels = slope * ending.scale, moves * slant + level
        for nodes, gradient in zip(_slabs(x), gradients, strict=True):
            dx[nodes] = gradient.mul_(slope).addcmul_(x[nodes].to(offsets.dtype), slant).add_(levels[nodes])
        return Backward(dx, dresidual, sums)

    def node_sums(self, x: Tensor) -> Tensor:
        """See `NormPasses`."""
        return x.sum((1, 2), dtype=_wide(x.dtype))

    def rectified(self, x: Tensor, offsets: Tensor | None, residual: Tensor | None, *, relu: bool) -> Tensor:
        """See `NormPasses`."""
        if offsets is not None:
            x = x + offsets[:, None, None].to(x.dtype)
        if residual is not None:
            x = x + residual
        return x.relu() if relu else x


def offset_table(offsets: Float[Tensor, "V C"] | None, x: Float[Tensor, "V G R C"]) -> Float[Tensor, "V C"]:
    """Offsets, or zeros where there are none, in the precision of statistics."""
    if offsets is None:
        return x.new_zeros(x.shape[0], x.shape[3], dtype=_wide(x.dtype))
    return offsets.detach().to(_wide(x.dtype)).contiguous()


def _wide(dtype: torch.dtype) -> torch.dtype:
    """In which statistics of such activations are computed."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _slabs(x: Float[Tensor, "V G R C"]) -> list[slice]:
    """Nodes that are handled together: as many as fit into a cache, and all while a compiler is looking."""
    at_once = len(x) if torch.compiler.is_compiling() else max(1, _SLAB // x[0].numel())
    return [slice(first, first + at_once) for first in range(0, len(x), at_once)]


def _drop_in_place(y: Tensor, dropout: Dropout | None, shape: torch.Size, nodes: slice) -> None:
    """Zero what is dropped of a slab of something of `shape`, without scaling the rest."""
    if dropout is not None:
        y.mul_(keep_mask(shape, dropout, y.dtype, nodes=nodes))


def _total(x: Float[Tensor, "V G R C"]) -> Float[Tensor, "G C"]:
    """The sum over nodes and rows; one axis at a time is ten times as fast as both at once."""
    return x.sum(2).sum(0)


class _Shape(NativeStructure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("nodes", "groups", "rows", "channels"))


@dataclass(frozen=True)
class NativePasses:
    """The kernels of source/batch_norm.cpp."""

    library: NativeLibrary

    def moments(self, x: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """See `NormPasses`. From sums of differences to each group's first row, which keeps them small."""
        sums = torch.zeros(2, x.shape[1], x.shape[3], dtype=torch.float64)
        self.library.call("batch_norm_moments", x.dtype, x, offsets, sums, _Shape(*x.shape))
        shift, square = sums / (x.shape[0] * x.shape[2])
        return x[0, :, 0].double() + offsets[0] + shift, (square - shift.square()).clamp(min=0)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        scale: Tensor,
        shift: Tensor,
        residual: Tensor | None,
        ending: Ending,
    ) -> Tensor:
        """See `NormPasses`."""
        y = torch.empty_like(x)
        read = (x, offsets, scale.contiguous(), shift.contiguous(), _contiguous(residual))
        self.library.call("batch_norm_forward", x.dtype, *read, y, *self._settings(x, ending))
        return y

    def backward(
        self,
        dy: Tensor,
        saved: tuple[Tensor, Tensor, Tensor, Tensor],
        coefficients: Callable[[Sums], Coefficients],
        ending: Ending,
        *,
        has_residual: bool,
    ) -> Backward:
        """See `NormPasses`."""
        x, offsets, y, mean = saved
        read, settings = (dy.contiguous(), y, x, offsets, mean), self._settings(x, ending)
        sums = torch.zeros(2, *mean.shape, dtype=torch.float64)
        self.library.call("batch_norm_backward_sums", x.dtype, *read, sums, *settings)
        dx, dresidual = torch.empty_like(x), torch.empty_like(x) if has_residual else None
        written = (coefficients(sums).float().contiguous(), dx, dresidual)
        self.library.call("batch_norm_backward", x.dtype, *read, *written, *settings)
        return Backward(dx, dresidual, sums)

    def node_sums(self, x: Tensor) -> Tensor:
        """See `NormPasses`."""
        num_nodes, num_groups, num_rows, num_channels = x.shape
        sums = torch.empty(num_nodes, num_channels)
        self.library.call("row_sums", x.dtype, x, sums, num_nodes, num_groups * num_rows, num_channels)
        return sums

    def rectified(self, x: Tensor, offsets: Tensor | None, residual: Tensor | None, *, relu: bool) -> Tensor:
        """See `NormPasses`."""
        assert not x.requires_grad
        ones, zeros = torch.ones(x.shape[1], x.shape[3]), torch.zeros(x.shape[1], x.shape[3])
        return self.forward(x, offset_table(offsets, x), ones, zeros, residual, Ending(relu, None))

    def _settings(self, x: Tensor, ending: Ending) -> tuple[_Shape, NativeDropout, bool]:
        return _Shape(*x.shape), NativeDropout.of(ending.dropout), ending.relu


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()
