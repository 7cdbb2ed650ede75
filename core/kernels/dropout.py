"""Counter-based dropout: the mask is a hash of (seed, row, channel), without generator state.

Rows are numbered in the step's whole batch. A clip's masks therefore do not depend on earlier steps or on how
the batch is divided among devices, which makes resume exact. The backward pass recomputes the mask instead of
storing it. One 64-bit hash gives four channels, 16 bits each.
"""

import ctypes
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.kernels.library import NativeStructure

_LANES = 4
_RESOLUTION = 1 << 16
_LOWEST = -(1 << 15)
_STEP, _FIRST, _SECOND = (
    value - (1 << 64) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
"""Odd 64-bit constants of splitmix64 (Steele et al., 2014), as signed numbers."""


@dataclass(frozen=True)
class Dropout:
    """Dropout with `probability` (resolution 1/65536) at one place of a network in one pass.

    `seed` is an int64 scalar tensor. `first_row` is the number of the first row in the step's whole batch.
    """

    probability: float
    seed: Tensor
    first_row: int = 0

    @property
    def threshold(self) -> int:
        """Signed 16-bit lanes below this threshold are dropped."""
        return _LOWEST + round(self.probability * _RESOLUTION)

    @property
    def scale(self) -> float:
        """Factor of kept values, which preserves the expectation."""
        kept = _RESOLUTION - round(self.probability * _RESOLUTION)
        return _RESOLUTION / kept if kept else 0.0


class NativeDropout(NativeStructure):
    """`Dropout` as a C structure for the kernels."""

    _fields_ = (
        ("seed", ctypes.c_int64),
        ("first_row", ctypes.c_int64),
        ("threshold", ctypes.c_int32),
        ("scale", ctypes.c_float),
    )

    @classmethod
    def of(cls, dropout: Dropout | None) -> "NativeDropout":
        """Convert a `Dropout`; None drops nothing."""
        if dropout is None:
            return _NO_DROPOUT
        return cls(int(dropout.seed), dropout.first_row, dropout.threshold, dropout.scale)


_NO_DROPOUT = NativeDropout(0, 0, _LOWEST, 1.0)


def drop(x: Float[Tensor, "V G R C"], dropout: Dropout | None) -> Float[Tensor, "V G R C"]:
    """Set dropped values to zero and scale the rest."""
    if dropout is None:
        return x
    return x * keep_mask(x.shape, dropout, x.dtype) * dropout.scale


def keep_mask(
    shape: torch.Size, dropout: Dropout, dtype: torch.dtype, *, nodes: slice = slice(None)
) -> Float[Tensor, "V G R C"]:
    """Return the keep mask of `nodes`: 1 for kept values, 0 for dropped ones.

    Row (v, g, r) has the number ((first_row + r) * G + g) * V + v. The mask is a float, not a bool, because
    on a CPU multiplication by a bool takes several times as long.
    """
    num_nodes, num_groups, num_rows, num_channels = shape
    device = dropout.seed.device

    def count(size: int) -> Tensor:
        return torch.arange(size, device=device)

    rows = (dropout.first_row + count(num_rows)) * num_groups + count(num_groups)[:, None]  # (G, R)
    rows = rows * num_nodes + count(num_nodes)[nodes, None, None]  # (V, G, R)
    per_row = -(-num_channels // _LANES)
    words = (rows * per_row)[..., None] + count(per_row)  # (V, G, R, C/4)
    words = _mixed((words ^ dropout.seed).mul_(_STEP))
    opaque = torch.compiler.is_compiling() and device.type == "cpu"
    kept = (_kept_opaque if opaque else _kept)(words, dropout.threshold)  # (V, G, R, C rounded up to four)
    return kept[..., :num_channels].to(dtype)


def _kept(words: Tensor, threshold: int) -> Tensor:
    """Compare 16-bit lanes with the threshold, in place."""
    return words.view(torch.int16).ge_(threshold)


@torch.library.custom_op("signforge::kept", mutates_args=())
def _kept_opaque(words: Tensor, threshold: int) -> Tensor:
    """Compare 16-bit lanes with the threshold, as a custom operator that torch.compile does not inline.

    On a CPU, inlining would put int16 values into the loops that use the mask and prevent vectorisation.
    """
    lanes = words.view(torch.int16)
    return torch.ge(lanes, threshold, out=torch.empty_like(lanes, dtype=torch.bfloat16))


@_kept_opaque.register_fake
def _(words: Tensor, threshold: int) -> Tensor:
    return words.new_empty(*words.shape[:-1], words.shape[-1] * _LANES, dtype=torch.bfloat16)


def _mixed(words: Tensor) -> Tensor:
    """Apply the finaliser of splitmix64 (two rounds of multiplication and xor-shift), in place."""
    words.bitwise_xor_(_shifted(words, 30)).mul_(_FIRST)
    words.bitwise_xor_(_shifted(words, 27)).mul_(_SECOND)
    return words.bitwise_xor_(_shifted(words, 31))


def _shifted(words: Tensor, bits: int) -> Tensor:
    """Logical right shift of signed integers (fills with zeros)."""
    return (words >> bits).bitwise_and_((1 << (64 - bits)) - 1)
