"""Unfolds frames into windows (im2col), so that a temporal convolution is one matrix product."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from core.kernels.autograd import differentiable
from core.kernels.library import NativeLibrary, runs_natively


def frame_windows(
    frames: Float[Tensor, "B T C"], size: int, *, native: NativeLibrary | None = None
) -> Float[Tensor, "B T S"]:
    """Concatenate frames t - size // 2 to t + size // 2 for each t, with zero padding; S = size * C."""
    assert size % 2 == 1, "the window size must be odd"
    if runs_natively(frames, native):
        return differentiable(_NativeWindows, frames, size, native)
    num_frames, reach = frames.shape[1], size // 2
    padded = functional.pad(frames, (0, 0, reach, reach))  # (B, T + 2 reach, C)
    return torch.cat([padded[:, first : first + num_frames] for first in range(size)], dim=2)


class _NativeWindows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frames: Tensor, size: int, native: NativeLibrary) -> Tensor:
        frames = frames.contiguous()
        ctx.shape, ctx.size, ctx.native = frames.shape, size, native
        num_clips, num_frames, channels = frames.shape
        windows = frames.new_empty(num_clips, num_frames, size * channels)
        native.call("windows_forward", frames.dtype, frames, windows, num_clips, num_frames, channels, size)
        return windows

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        dwindows = gradients[0].contiguous()
        dframes = dwindows.new_empty(ctx.shape)
        ctx.native.call("windows_backward", dwindows.dtype, dwindows, dframes, *ctx.shape, ctx.size)
        return dframes, None, None
