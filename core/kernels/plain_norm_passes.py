"""Batch-norm passes in plain PyTorch: reference for the native kernels, and fallback."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.dropout import Dropout, keep_mask
from core.kernels.norm_passes import Backward, Norm, NormEpilogue, Reduce, Saved, Sums, wide

_SLAB = 1 << 19
"""Approximate number of elements of a slab: 2 MiB of float32."""


class PlainPasses:
    """Reference implementation for any device, also in float64.

    It works on slabs of a few nodes, so that intermediate results stay in the CPU cache.
    """

    def moments(self, x: Tensor, offsets: Tensor) -> Tensor:
        """See `NormPasses`. Sums differences from each group's first row, for numerical accuracy."""
        pivot = x[0, :, 0] + offsets[0]  # (G, C)
        moves = (offsets[:, None] - pivot)[:, :, None]  # (V, G, 1, C)
        sums = x.new_zeros(2, *pivot.shape, dtype=torch.float64)
        for nodes in _slabs(x):
            moved = x[nodes].to(offsets.dtype, copy=True).add_(moves[nodes])
            sums += torch.stack([_total(moved), _total(moved.square_())])
        shift, square = sums / (x.shape[0] * x.shape[2])
        return torch.stack([pivot + shift, (square - shift.square()).clamp(min=0)])

    def forward(self, x: Tensor, norm: Norm, residual: Tensor | None, epilogue: NormEpilogue) -> Tensor:
        """See `NormPasses`. Offsets, shift and the scale of dropout are combined in advance."""
        offsets, scale = norm.offsets, norm.inverse_deviation * norm.weight  # (G, C)
        shift = norm.bias - norm.mean * scale  # (G, C)
        shifts = (offsets[:, None] * scale + shift)[:, :, None] * epilogue.scale  # (V, G, 1, C)
        scales = scale[:, None] * epilogue.scale  # (G, 1, C)
        done = torch.empty_like(x)
        for nodes in _slabs(x):
            y = x[nodes].to(offsets.dtype, copy=True).mul_(scales).add_(shifts[nodes])
            _drop_in_place(y, epilogue.dropout, x.shape, nodes)
            if residual is not None:
                y.add_(residual[nodes])
            done[nodes] = y.relu_() if epilogue.relu else y
        return done

    def backward(self, dy: Tensor, saved: Saved, reduce: Reduce, epilogue: NormEpilogue) -> Backward:
        """See `NormPasses`."""
        x, y, norm, count = saved
        offsets, mean = norm.offsets, norm.mean
        moves = (offsets[:, None] - mean)[:, :, None]  # (V, G, 1, C)
        sums = x.new_zeros(2, *mean.shape, dtype=torch.float64)
        dx, dresidual = torch.empty_like(x), torch.empty_like(x) if epilogue.residual else None
        gradients = []
        for nodes in _slabs(x):
            through = (
                torch.ops.aten.threshold_backward(dy[nodes], y[nodes], 0) if epilogue.relu else dy[nodes]
            )
            if dresidual is not None:
                dresidual[nodes] = through
            gradient = through.to(offsets.dtype, copy=True)
            _drop_in_place(gradient, epilogue.dropout, x.shape, nodes)
            centred = x[nodes].to(offsets.dtype, copy=True).add_(moves[nodes])
            sums += torch.stack([_total(gradient), _total(centred.mul_(gradient))]) * epilogue.scale
            gradients.append(gradient)
        coefficients = _coefficients(reduce(sums), norm, count)
        slope, slant, level = coefficients.to(offsets.dtype)[:, :, None]  # (G, 1, C)
        slope, levels = slope * epilogue.scale, moves * slant + level
        for nodes, gradient in zip(_slabs(x), gradients, strict=True):
            dx[nodes] = gradient.mul_(slope).addcmul_(x[nodes].to(offsets.dtype), slant).add_(levels[nodes])
        dweight = (sums[1] * norm.inverse_deviation).sum(0)
        return Backward(dx, dresidual, dweight, sums[0].sum(0))

    def node_sums(self, x: Tensor) -> Tensor:
        """See `NormPasses`."""
        return x.sum((1, 2), dtype=wide(x.dtype))

    def rectified(self, x: Tensor, offsets: Tensor | None, residual: Tensor | None, *, relu: bool) -> Tensor:
        """See `NormPasses`."""
        if offsets is not None:
            x = x + offsets[:, None, None].to(x.dtype)
        if residual is not None:
            x = x + residual
        return x.relu() if relu else x


def _coefficients(sums: Sums, norm: Norm, count: int | None) -> Float[Tensor, "3 G C"]:
    """Return the factors of the gradient and of the centred input, and the constant term."""
    slope = norm.inverse_deviation.double() * norm.weight
    if count is None:
        return torch.stack([slope, torch.zeros_like(slope), torch.zeros_like(slope)])
    plain, weighed = sums / count
    return torch.stack([slope, -slope * norm.inverse_deviation.double().square() * weighed, -slope * plain])


def _slabs(x: Float[Tensor, "V G R C"]) -> list[slice]:
    """Return slices of nodes: as many as fit into a CPU's cache; all on other devices or when compiling."""
    whole = x.device.type != "cpu" or torch.compiler.is_compiling()
    at_once = len(x) if whole else max(1, _SLAB // x[0].numel())
    return [slice(first, first + at_once) for first in range(0, len(x), at_once)]


def _drop_in_place(y: Tensor, dropout: Dropout | None, shape: torch.Size, nodes: slice) -> None:
    """Set dropped values of a slab to zero without scaling the rest; `shape` is that of the whole tensor."""
    if dropout is not None:
        y.mul_(keep_mask(shape, dropout, y.dtype, nodes=nodes))


def _total(x: Float[Tensor, "V G R C"]) -> Float[Tensor, "G C"]:
    """Sum over nodes and rows; one axis at a time is ten times as fast as both at once."""
    return x.sum(2).sum(0)
