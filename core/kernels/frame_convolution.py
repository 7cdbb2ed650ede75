"""Convolution over the frames of clips, with bias and optional ReLU.

Wide layers unfold windows of frames for one matrix product. Narrow ones use a native kernel without windows
(source/narrow_convolution.cpp).
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from core.kernels.autograd import differentiable
from core.kernels.library import NativeLibrary, NativeStructure
from core.kernels.narrow_layer import is_narrow
from core.kernels.windows import frame_windows


def frame_convolution(
    frames: Float[Tensor, "B T C"],
    weight: Float[Tensor, "D C k"],
    bias: Float[Tensor, " D"],
    *,
    relu: bool,
    native: NativeLibrary | None = None,
) -> Float[Tensor, "B T D"]:
    """Convolve in the precision of `frames`, with padding that keeps their number; k is odd."""
    width, channels, size = weight.shape
    if is_narrow(frames, width, native) and is_narrow(frames, channels, native):
        assert native is not None
        return differentiable(_NarrowConvolution, frames, weight.to(frames.dtype), bias, _Work(native, relu))
    windows = frame_windows(frames, size, native=native)  # (B, T, k*C)
    flat = weight.to(frames.dtype).transpose(1, 2).flatten(1)  # (D, k*C)
    y = functional.linear(windows, flat, bias.to(frames.dtype))
    return y.relu() if relu else y


@dataclass(frozen=True)
class _Work:
    native: NativeLibrary
    relu: bool


class _Convolution(NativeStructure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("clips", "frames", "channels", "width", "size"))


class _NarrowConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frames: Tensor, weight: Tensor, bias: Tensor, work: _Work) -> Tensor:
        frames, (width, _, size) = frames.contiguous(), weight.shape
        y = frames.new_empty(*frames.shape[:2], width)
        taps = weight.permute(2, 1, 0).contiguous()  # (k, C, D)
        shape = _Convolution(*frames.shape, width, size)
        learned = bias.detach().float().contiguous()
        work.native.call(
            "narrow_convolution_forward", frames.dtype, frames, taps, learned, y, shape, work.relu
        )
        ctx.save_for_backward(frames, weight, y)
        ctx.work, ctx.shape = work, shape
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        frames, weight, y = ctx.saved_tensors
        width, channels, size = weight.shape
        dframes = torch.empty_like(frames) if ctx.needs_input_grad[0] else None
        learned = torch.empty(size * channels * width + width)
        transposed = weight.permute(2, 0, 1).contiguous()  # (k, D, C)
        read = (gradients[0].contiguous(), y, frames, transposed)
        ctx.work.native.call(
            "narrow_convolution_backward", frames.dtype, *read, dframes, learned, ctx.shape, ctx.work.relu
        )
        dweight = learned[:-width].view(size, channels, width).permute(2, 1, 0)
        return dframes, dweight, learned[-width:], None
