"""Temporal crop and resize of a batch of clips of different lengths (paper, section III-B)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from core.specs.views import ViewConfig


@dataclass(frozen=True)
class TemporalCrop:
    """Frames of each clip in a view: `lengths` frames from `starts`, in frames of the clip."""

    starts: Int64[Tensor, " B"]
    lengths: Int64[Tensor, " B"]

    def to(self, device: torch.device) -> "TemporalCrop":
        """Copy to a device, asynchronously."""
        return TemporalCrop(*(each.to(device, non_blocking=True) for each in (self.starts, self.lengths)))


def draw_crop(
    clip_lengths: Int64[Tensor, " B"], config: ViewConfig, generator: torch.Generator
) -> TemporalCrop:
    """Draw L = min(max(floor(n r), min_crop_frames), n) frames with r ~ U(min, max), uniform start."""
    frames = clip_lengths.clamp(max=config.max_source_frames)
    low, high = config.crop_fraction_min, config.crop_fraction_max
    fraction = low + (high - low) * torch.rand(len(frames), generator=generator, dtype=torch.float64)
    lengths = (frames * fraction).floor().long().clamp(min=config.min_crop_frames).minimum(frames)
    starts = torch.rand(len(frames), generator=generator, dtype=torch.float64) * (frames - lengths + 1)
    return TemporalCrop(starts.floor().long(), lengths)


def centre_crop(clip_lengths: Int64[Tensor, " B"], *, fraction: float, max_frames: int) -> TemporalCrop:
    """Return the middle of each clip: `fraction` of its frames, at least one."""
    frames = clip_lengths.clamp(max=max_frames)
    lengths = (frames * fraction).floor().long().clamp(min=1)
    return TemporalCrop((frames - lengths) // 2, lengths)


def resize_points(
    points: Float[Tensor, "F V 2"],
    offsets: Int64[Tensor, " B"],
    crop: TemporalCrop,
    *,
    num_frames: int,
) -> Float[Tensor, "B T V 2"]:
    """Crop each clip and resize it by linear interpolation, with half-pixel centres and clamped edges.

    Clip b's frames are rows offsets[b], offsets[b] + 1, ... of `points`.
    """
    lengths = crop.lengths.unsqueeze(1)  # (B, 1)
    centres = torch.arange(num_frames, device=points.device, dtype=torch.float64) + 0.5  # (T,)
    place = centres * (lengths.double() / num_frames) - 0.5  # (B, T), exact to far below a frame
    place = place.clamp(min=0).minimum(lengths - 1)
    before = place.floor().long()
    share = place - before
    first = (offsets + crop.starts).unsqueeze(1)  # (B, 1)
    rows = torch.stack([before, (before + 1).minimum(lengths - 1)], dim=2) + first.unsqueeze(2)  # (B, T, 2)
    shares = torch.stack([1 - share, share], dim=2).to(points.dtype)  # (B, T, 2)
    mixed = functional.embedding_bag(  # a weighted sum of two rows, each read once
        rows.view(-1, 2), points.flatten(1), per_sample_weights=shares.view(-1, 2), mode="sum"
    )
    return mixed.view(len(lengths), num_frames, *points.shape[1:])


def pick_frames(
    values: Bool[Tensor, "F V"], offsets: Int64[Tensor, " B"], crop: TemporalCrop, *, num_frames: int
) -> Bool[Tensor, "B T V"]:
    """Take frame start + floor(i L / T) at output i, as the released code resizes a mask."""
    step = torch.arange(num_frames, device=values.device) * crop.lengths.unsqueeze(1) // num_frames  # (B, T)
    rows = step + (offsets + crop.starts).unsqueeze(1)
    return values.index_select(0, rows.view(-1)).view(*rows.shape, -1)
