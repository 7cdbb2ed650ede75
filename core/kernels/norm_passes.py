"""Interface of the batch-norm passes over whole activations, implemented in plain PyTorch and in C++.

x and y are (V, G, R, C); offsets (V, C) are added to x whenever it is read. Statistics are those of each
group g and channel c, over nodes and rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.dropout import Dropout

Sums = Float[Tensor, "2 G C"]
"""Sums over nodes and rows: of the gradient, and of the gradient times the centred input."""
Reduce = Callable[[Sums], Sums]
"""Adds the sums of all ranks."""


class Norm(NamedTuple):
    """Batch norm of x + offsets: (x + offsets - mean) / sqrt(variance + eps) * weight + bias."""

    offsets: Float[Tensor, "V C"]
    mean: Float[Tensor, "G C"]
    variance: Float[Tensor, "G C"]
    weight: Float[Tensor, " C"]
    bias: Float[Tensor, " C"]
    eps: float

    @property
    def inverse_deviation(self) -> Float[Tensor, "G C"]:
        """Factor of the centred input, without the weight."""
        return (self.variance + self.eps).rsqrt()


class Saved(NamedTuple):
    """What the forward pass saves for the backward pass."""

    x: Float[Tensor, "V G R C"]
    y: Float[Tensor, "V G R C"]
    norm: Norm
    num_counted: int | None
    """Number of rows that the statistics are of; None if they do not depend on x."""


@dataclass(frozen=True)
class NormEpilogue:
    """Operations fused after the norm."""

    relu: bool
    dropout: Dropout | None
    residual: bool
    """Whether a residual is added after the dropout."""

    @property
    def scale(self) -> float:
        """Factor of values that are not dropped."""
        return 1.0 if self.dropout is None else self.dropout.scale


@dataclass(frozen=True)
class Backward:
    """Result of the backward pass; `dresidual` is None without a residual."""

    dx: Float[Tensor, "V G R C"]
    dresidual: Float[Tensor, "V G R C"] | None
    dweight: Float[Tensor, " C"]
    dbias: Float[Tensor, " C"]


@runtime_checkable
class NormPasses(Protocol):
    """Batch-norm passes over all rows."""

    def moments(self, x: Tensor, offsets: Tensor) -> Tensor:
        """Return mean and biased variance (2, G, C) over nodes and rows, in float64."""

    def forward(self, x: Tensor, norm: Norm, residual: Tensor | None, epilogue: NormEpilogue) -> Tensor:
        """Return y = relu(dropout(norm(x)) + residual)."""

    def backward(self, dy: Tensor, saved: Saved, reduce: Reduce, epilogue: NormEpilogue) -> Backward:
        """Return the gradients; calls `reduce` once."""

    def node_sums(self, x: Tensor) -> Tensor:
        """Return each node's sum over groups and rows (V, C)."""

    def rectified(self, x: Tensor, offsets: Tensor | None, residual: Tensor | None, *, relu: bool) -> Tensor:
        """Return relu(x + offsets + residual) without gradient, for folded batch norms."""


def offset_table(offsets: Float[Tensor, "V C"] | None, x: Float[Tensor, "V G R C"]) -> Float[Tensor, "V C"]:
    """Return the offsets, or zeros for None, in the precision of statistics."""
    if offsets is None:
        return x.new_zeros(x.shape[0], x.shape[3], dtype=wide(x.dtype))
    return offsets.detach().to(wide(x.dtype)).contiguous()


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the precision in which statistics of activations of type `dtype` are computed."""
    return torch.float64 if dtype == torch.float64 else torch.float32
