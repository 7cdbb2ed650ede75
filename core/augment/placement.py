"""Where and how large a signer stands in the image: moved and scaled, for trunk joints only.

Hands are in coordinates of their own crop, which know neither.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from core.config import ViewConfig
from core.pose.skeleton import TRUNK

_IMAGE_CENTRE = 0.5


def draw_placement(num_clips: int, config: ViewConfig, generator: torch.Generator) -> Float[Tensor, "B 3"]:
    """Draw a scale factor and a shift (x, y) for each clip."""
    spread = torch.tensor([config.trunk_scale_range, config.trunk_shift_range, config.trunk_shift_range])
    drawn = (torch.rand(num_clips, 3, generator=generator) * 2 - 1) * spread
    return drawn + torch.tensor([1.0, 0.0, 0.0])


def place(points: Float[Tensor, "B T 49 2"], placement: Float[Tensor, "B 3"]) -> Float[Tensor, "B T 49 2"]:
    """Scale the trunk about the image centre, then shift it."""
    scale, shift = placement[:, None, None, :1], placement[:, None, None, 1:]  # (B, 1, 1, 1 or 2)
    placed = points.clone()
    placed[:, :, TRUNK] = (points[:, :, TRUNK] - _IMAGE_CENTRE) * scale + _IMAGE_CENTRE + shift
    return placed
