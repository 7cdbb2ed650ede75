"""Shear, and how a spatial augmentation of either kind is applied: every joint by its own 2x2 matrix."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.augment.occlusion import draw_joints, draw_matrices
from core.config import ViewConfig
from core.pose.skeleton import NUM_JOINTS


def draw_shear(num_clips: int, config: ViewConfig, generator: torch.Generator) -> Float[Tensor, "B 2 2"]:
    """Draw [[1, a], [b, 1]] with a and b uniform in plus or minus `shear_range`."""
    slant = (torch.rand(num_clips, 2, generator=generator) * 2 - 1) * config.shear_range
    one = torch.ones(num_clips)
    return torch.stack([one, slant[:, 0], slant[:, 1], one], dim=1).view(-1, 2, 2)


def draw_spatial(num_clips: int, config: ViewConfig, generator: torch.Generator) -> Float[Tensor, "B 49 2 2"]:
    """Draw each clip's one spatial augmentation: joint corruption, shear or none.

    Draws for all three are always made, so that one clip's luck never shifts another's.
    """
    kind = torch.rand(2, num_clips, generator=generator)
    augmented = (kind[0] < config.spatial_probability)[:, None, None, None]
    occluded = (kind[1] < config.occlusion_probability)[:, None, None, None]
    identity = torch.eye(2).expand(num_clips, NUM_JOINTS, 2, 2)
    joints = draw_joints(num_clips, config, generator)[..., None, None]  # (B, 49, 1, 1)
    matrices = draw_matrices(num_clips, config, generator).unsqueeze(1)  # (B, 1, 2, 2)
    shear = draw_shear(num_clips, config, generator).unsqueeze(1)  # (B, 1, 2, 2)
    return torch.where(
        augmented, torch.where(occluded, torch.where(joints, matrices, identity), shear), identity
    )


def transform(
    points: Float[Tensor, "B T 49 2"], matrices: Float[Tensor, "B 49 2 2"]
) -> Float[Tensor, "B T 49 2"]:
    """Multiply every point (a column vector) by its joint's matrix."""
    return torch.einsum("bvij,btvj->btvi", matrices, points)
