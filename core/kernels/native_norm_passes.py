"""Batch-norm passes by the native kernels (`NormPasses`)."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from core.kernels.dropout import NativeDropout
from core.kernels.library import NativeLibrary, NativeStructure
from core.kernels.norm_passes import Affine, Backward, FindCoefficients, NormEpilogue, Saved, offset_table


class _Shape(NativeStructure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("nodes", "groups", "rows", "channels"))


@dataclass(frozen=True)
class NativePasses:
    """The kernels of source/batch_norm.cpp."""

    library: NativeLibrary

    def moments(self, x: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """See `NormPasses`. Sums differences from each group's first row, for numerical accuracy."""
        sums = torch.zeros(2, x.shape[1], x.shape[3], dtype=torch.float64)
        self.library.call("batch_norm_moments", x.dtype, x, offsets, sums, _Shape(*x.shape))
        shift, square = sums / (x.shape[0] * x.shape[2])
        return x[0, :, 0].double() + offsets[0] + shift, (square - shift.square()).clamp(min=0)

    def forward(self, x: Tensor, affine: Affine, residual: Tensor | None, epilogue: NormEpilogue) -> Tensor:
        """See `NormPasses`."""
        y = torch.empty_like(x)
        read = (x, *(each.contiguous() for each in affine), _contiguous(residual))
        self.library.call("batch_norm_forward", x.dtype, *read, y, *self._settings(x, epilogue))
        return y

    def backward(self, dy: Tensor, saved: Saved, find: FindCoefficients, epilogue: NormEpilogue) -> Backward:
        """See `NormPasses`."""
        x, offsets, y, mean = saved
        read, settings = (dy.contiguous(), y, x, offsets, mean), self._settings(x, epilogue)
        sums = torch.zeros(2, *mean.shape, dtype=torch.float64)
        self.library.call("batch_norm_backward_sums", x.dtype, *read, sums, *settings)
        dx, dresidual = torch.empty_like(x), torch.empty_like(x) if epilogue.residual else None
        written = (find(sums).float().contiguous(), dx, dresidual)
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
        if offsets is None and residual is None and not relu:
            return x
        ones, zeros = torch.ones(x.shape[1], x.shape[3]), torch.zeros(x.shape[1], x.shape[3])
        affine, epilogue = (
            Affine(offset_table(offsets, x), ones, zeros),
            NormEpilogue(relu, None, residual is not None),
        )
        return self.forward(x, affine, residual, epilogue)

    def _settings(self, x: Tensor, epilogue: NormEpilogue) -> tuple[_Shape, NativeDropout, bool]:
        return _Shape(*x.shape), NativeDropout.of(epilogue.dropout), epilogue.relu


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()
