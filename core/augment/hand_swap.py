"""Hand swap augmentation: swap left and right hand, and optionally mirror the trunk.

Both hands are stored as right hands, so a swap is also a reflection. A mirrored trunk has x -> 1 - x and
swapped arms.
"""

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from core.augment.plane_maps import PlaneMaps
from core.pose.skeleton import LEFT_HAND, MIRRORED_PARTS, NUM_JOINTS, RIGHT_HAND, TRUNK

_SWAPPED_HANDS = (LEFT_HAND, RIGHT_HAND, TRUNK)


def swap_joints(values: Shaped[Tensor, "N 49 ..."], *, mirror_trunk: bool) -> Shaped[Tensor, "N 49 ..."]:
    """Swap the values of both hands, and of both arms if the trunk is mirrored."""
    return torch.cat(
        [values[:, part] for part in (MIRRORED_PARTS if mirror_trunk else _SWAPPED_HANDS)], dim=1
    )


def swap_maps(maps: PlaneMaps, swapped: Bool[Tensor, " B"], *, mirror_trunk: bool) -> PlaneMaps:
    """Adapt `maps` to swapped joints, in the clips where `swapped` is true.

    A joint keeps the map of its original position. The reflection of the trunk is applied last.
    """
    moved = maps.each(lambda numbers: swap_joints(numbers, mirror_trunk=mirror_trunk))
    if mirror_trunk:
        in_trunk = torch.arange(NUM_JOINTS).expand(len(swapped), -1) >= TRUNK.start
        moved = PlaneMaps.where(in_trunk, moved.then_mirrored(), moved)
    return PlaneMaps.where(swapped.unsqueeze(1), moved, maps)
