"""Spatial augmentation of a view: joint corruption, shear or none."""

import torch
from jaxtyping import Float32
from torch import Tensor

from core.augment.occlusion import draw_joints, draw_matrices
from core.augment.plane_maps import PlaneMaps
from core.specs.views import ViewConfig


def draw_shear(num_clips: int, config: ViewConfig, generator: torch.Generator) -> Float32[Tensor, "B 2 2"]:
    """Draw [[1, a], [b, 1]] with a and b uniform in plus or minus `shear_range`."""
    slant = (torch.rand(num_clips, 2, generator=generator) * 2 - 1) * config.shear_range
    one = torch.ones(num_clips)
    return torch.stack([one, slant[:, 0], slant[:, 1], one], dim=1).view(-1, 2, 2)


def draw_spatial(num_clips: int, config: ViewConfig, generator: torch.Generator) -> PlaneMaps:
    """Draw each clip's spatial augmentation, as a linear map for each of its 49 joints.

    The numbers of all three kinds are always drawn, so that the kind chosen for a clip does not change the
    numbers of other clips.
    """
    kind = torch.rand(2, num_clips, 1, generator=generator)
    augmented = kind[0] < config.spatial_probability
    occluded = kind[1] < config.occlusion_probability
    joints = draw_joints(num_clips, config, generator)  # (B, 49)
    corruption = draw_matrices(num_clips, config, generator)
    shear = draw_shear(num_clips, config, generator)
    elsewhere = torch.where((augmented & ~occluded).unsqueeze(2), shear, torch.eye(2))
    both = PlaneMaps.of_matrices(torch.stack([elsewhere, corruption], dim=1))  # (B, 2)
    of_others, corrupted = both.of_joints(slice(0, 1)), both.of_joints(slice(1, 2))
    return PlaneMaps.where(augmented & occluded & joints, corrupted, of_others)
