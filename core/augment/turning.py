"""Rotation and scale augmentation: one for all joints, or one each for both hands and the trunk."""

import torch
from torch import Tensor

from core.augment.plane_maps import PlaneMaps
from core.pose.skeleton import LEFT_HAND, RIGHT_HAND, TRUNK
from core.specs.views import ViewConfig

_PARTS = (RIGHT_HAND, LEFT_HAND, TRUNK)


def draw_rotation_and_scale(num_clips: int, config: ViewConfig, generator: torch.Generator) -> PlaneMaps:
    """Draw an angle and a factor for each clip, or for each of its parts, as maps of its 49 joints."""
    spread = torch.tensor([config.rotation_range, config.scale_range])
    drawn = (torch.rand(num_clips, len(_PARTS), 2, generator=generator) * 2 - 1) * spread
    if not config.parts_move_apart:
        drawn = drawn[:, :1].expand(-1, len(_PARTS), -1)
    angle, factor = drawn[..., 0], 1 + drawn[..., 1]  # (B, 3)
    cosine, sine = factor * angle.cos(), factor * angle.sin()
    return PlaneMaps(
        straight=_for_joints(torch.stack([cosine, cosine], dim=2)),
        crossed=_for_joints(torch.stack([-sine, sine], dim=2)),
    )


def _for_joints(per_part: Tensor) -> Tensor:
    """Expand (B, 3, 2), one row per part, to (B, 49, 2), one row per joint."""
    repeats = torch.tensor([part.stop - part.start for part in _PARTS])
    return per_part.repeat_interleave(repeats, dim=1)
