"""Placement augmentation: random position and size of the signer in the image, for trunk joints only.

Hands are in coordinates of their own crop, which do not depend on the placement.
"""

import torch
from jaxtyping import Float32
from torch import Tensor

from core.augment.plane_maps import PlaneMaps
from core.pose.skeleton import NUM_JOINTS, TRUNK
from core.specs.views import ViewConfig

CENTRE = 0.5
"""Centre of the image, and of a hand's crop, along each axis."""


def draw_placement(num_clips: int, config: ViewConfig, generator: torch.Generator) -> Float32[Tensor, "B 3"]:
    """Draw a scale factor and a shift (x, y) for each clip."""
    spread = torch.tensor([config.trunk_scale_range, config.trunk_shift_range, config.trunk_shift_range])
    drawn = (torch.rand(num_clips, 3, generator=generator) * 2 - 1) * spread
    return drawn + torch.tensor([1.0, 0.0, 0.0])


def placed_before(maps: PlaneMaps, placement: Float32[Tensor, "B 3"]) -> PlaneMaps:
    """Compose maps: scale the trunk about the image centre, shift it, then apply `maps`."""
    num_clips = len(placement)
    scale, shift = torch.ones(num_clips, NUM_JOINTS, 1), torch.zeros(num_clips, NUM_JOINTS, 2)
    factor, move = placement[:, None, :1], placement[:, None, 1:]  # (B, 1, 1 or 2)
    scale[:, TRUNK] = factor
    shift[:, TRUNK] = move + CENTRE * (1 - factor)
    return maps.after(PlaneMaps(scale.expand(-1, -1, 2), torch.zeros_like(shift), shift))
