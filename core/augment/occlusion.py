"""Joint corruption: some joints are zeroed or multiplied by a random matrix, in all frames of a view."""

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from core.pose.skeleton import NUM_JOINTS
from core.specs.views import ViewConfig


def draw_joints(num_clips: int, config: ViewConfig, generator: torch.Generator) -> Bool[Tensor, "B 49"]:
    """Choose `num_occluded_joints` of the 49 for each clip, without replacement."""
    places = torch.rand(num_clips, NUM_JOINTS, generator=generator)
    first = torch.from_numpy(places.numpy().argsort(axis=1))[:, : config.num_occluded_joints]
    return torch.zeros(num_clips, NUM_JOINTS, dtype=torch.bool).scatter_(1, first, True)


def draw_matrices(num_clips: int, config: ViewConfig, generator: torch.Generator) -> Float32[Tensor, "B 2 2"]:
    """Draw the matrix that multiplies the chosen joints: zeros, or uniform entries."""
    matrices = torch.rand(num_clips, 2, 2, generator=generator) * 2 - 1
    zeroed = torch.rand(num_clips, generator=generator) < config.occlusion_zero_probability
    return torch.where(zeroed[:, None, None], 0.0, matrices * config.occlusion_matrix_range)
