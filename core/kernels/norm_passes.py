"""What a batch norm does with whole activations; done in plain PyTorch and in C++ by the files beside this.

Everything that goes over all rows is there; `batch_norm.py` has what lies between, on tables of a few
channels. x and y are (V, G, R, C), offsets (V, C) are added to x wherever it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.dropout import Dropout

Sums = Float[Tensor, "2 G C"]
"""Of the gradient, and of the gradient times the centred input, over nodes and rows."""
Coefficients = Float[Tensor, "3 G C"]
"""dx = first * gradient + second * centred input + third."""
FindCoefficients = Callable[[Sums], Coefficients]


class Affine(NamedTuple):
    """x -> scale * (x + offsets) + shift."""

    offsets: Float[Tensor, "V C"]
    scale: Float[Tensor, "G C"]
    shift: Float[Tensor, "G C"]


class Saved(NamedTuple):
    """What the forward pass leaves to the backward pass."""

    x: Float[Tensor, "V G R C"]
    offsets: Float[Tensor, "V C"]
    y: Float[Tensor, "V G R C"]
    mean: Float[Tensor, "G C"]


@dataclass(frozen=True)
class NormEpilogue:
    """What follows the norm."""

    relu: bool
    dropout: Dropout | None
    residual: bool
    """Whether something is added after the dropout."""

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

    def forward(self, x: Tensor, affine: Affine, residual: Tensor | None, ending: NormEpilogue) -> Tensor:
        """y = relu(dropout(scale * (x + offsets) + shift) + residual)."""

    def backward(self, dy: Tensor, saved: Saved, find: FindCoefficients, ending: NormEpilogue) -> Backward:
        """Go back through y; calls `find` once, with the sums."""

    def node_sums(self, x: Tensor) -> Tensor:
        """Each node's sum over groups and rows (V, C)."""

    def rectified(self, x: Tensor, offsets: Tensor | None, residual: Tensor | None, *, relu: bool) -> Tensor:
        """relu(x + offsets + residual) without a gradient: what is left where a norm was folded away."""


def offset_table(offsets: Float[Tensor, "V C"] | None, x: Float[Tensor, "V G R C"]) -> Float[Tensor, "V C"]:
    """Offsets, or zeros where there are none, in the precision of statistics."""
    if offsets is None:
        return x.new_zeros(x.shape[0], x.shape[3], dtype=wide(x.dtype))
    return offsets.detach().to(wide(x.dtype)).contiguous()


def wide(dtype: torch.dtype) -> torch.dtype:
    """In which statistics of such activations are computed."""
    return torch.float64 if dtype == torch.float64 else torch.float32
