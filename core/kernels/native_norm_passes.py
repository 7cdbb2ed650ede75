"""Batch-norm passes by the native kernels (`NormPasses`)."""

import ctypes
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.dropout import NativeDropout
from core.kernels.library import NativeLibrary, NativeStructure
from core.kernels.norm_passes import Backward, Norm, NormEpilogue, Reduce, Saved, offset_table


class NativeShape(NativeStructure):
    """Sizes of an activation."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("nodes", "groups", "rows", "channels"))


class NativeNorm(NativeStructure):
    """`Norm` as a C structure."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("offsets", "mean", "variance", "weight", "bias")),
        ("eps", ctypes.c_float),
    )

    @classmethod
    def of(
        cls,
        offsets: Float[Tensor, "V C"],
        statistics: Float[Tensor, "2 G C"],
        weight: Float[Tensor, " C"],
        bias: Float[Tensor, " C"],
        eps: float,
    ) -> "NativeNorm":
        """Refer to these tensors, which the caller keeps, with mean and variance in one."""
        mean = statistics.data_ptr()
        variance = mean + statistics[0].numel() * statistics.element_size()
        return cls(offsets.data_ptr(), mean, variance, weight.data_ptr(), bias.data_ptr(), eps)


@dataclass(frozen=True)
class NativePasses:
    """The kernels of source/batch_norm.cpp."""

    library: NativeLibrary

    def moments(self, x: Tensor, offsets: Tensor) -> Tensor:
        """See `NormPasses`. Sums differences from each group's first row, for numerical accuracy."""
        moments = torch.empty(2, x.shape[1], x.shape[3], dtype=torch.float64)
        self.library.call("batch_norm_moments", x.dtype, x, offsets, moments, NativeShape(*x.shape))
        return moments

    def forward(self, x: Tensor, norm: Norm, residual: Tensor | None, epilogue: NormEpilogue) -> Tensor:
        """See `NormPasses`."""
        y, (native, _kept) = torch.empty_like(x), _native(norm)
        settings = self._settings(x, epilogue)
        self.library.call("batch_norm_forward", x.dtype, x, native, _contiguous(residual), y, *settings)
        return y

    def backward(self, dy: Tensor, saved: Saved, reduce: Reduce, epilogue: NormEpilogue) -> Backward:
        """See `NormPasses`."""
        x, y, norm, count = saved
        dy, (native, _kept), settings = dy.contiguous(), _native(norm), self._settings(x, epilogue)
        sums, learned = torch.empty(2, *norm.mean.shape, dtype=torch.float64), torch.empty(2, x.shape[3])
        self.library.call("batch_norm_backward_sums", x.dtype, dy, y, x, native, sums, learned, *settings)
        dx, dresidual = torch.empty_like(x), torch.empty_like(x) if epilogue.residual else None
        written = (reduce(sums), count or 0, dx, dresidual)
        self.library.call("batch_norm_backward", x.dtype, dy, y, x, native, *written, *settings)
        return Backward(dx, dresidual, learned[0], learned[1])

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
        identity = Norm(offset_table(offsets, x), zeros, ones, ones[0], zeros[0], eps=0.0)
        return self.forward(x, identity, residual, NormEpilogue(relu, None, residual is not None))

    def _settings(self, x: Tensor, epilogue: NormEpilogue) -> tuple[NativeShape, NativeDropout, bool]:
        return NativeShape(*x.shape), NativeDropout.of(epilogue.dropout), epilogue.relu


def _native(norm: Norm) -> tuple[NativeNorm, list[Tensor]]:
    """Return the C structure, and the tensors that own its memory."""
    kept = [each.float().contiguous() for each in norm[:5]]
    return NativeNorm(*(each.data_ptr() for each in kept), norm.eps), kept


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()
