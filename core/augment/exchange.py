"""Hands that change places, and the trunk that may be mirrored with them.

Both hands are stored as right hands, so exchanged they are mirrored. A mirrored trunk has x -> 1 - x, and its
arms change places.
"""

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from core.augment.plane_maps import PlaneMaps
from core.pose.skeleton import LEFT_HAND, NUM_JOINTS, PARTS_IN_A_MIRROR, RIGHT_HAND, TRUNK

_HANDS_ALONE = (LEFT_HAND, RIGHT_HAND, TRUNK)


def exchanged_joints(values: Shaped[Tensor, "N 49 ..."], *, mirror_trunk: bool) -> Shaped[Tensor, "N 49 ..."]:
    """What joints have, with hands (and arms, where the trunk is mirrored) in each other's place."""
    return torch.cat(
        [values[:, part] for part in (PARTS_IN_A_MIRROR if mirror_trunk else _HANDS_ALONE)], dim=1
    )


def exchanged_maps(maps: PlaneMaps, exchanged: Bool[Tensor, " B"], *, mirror_trunk: bool) -> PlaneMaps:
    """What `maps` become for joints that have changed places, in the clips where `exchanged`.

    A joint keeps the map of the place it comes from; the mirror is applied to the trunk's last of all.
    """
    moved = maps.each(lambda numbers: exchanged_joints(numbers, mirror_trunk=mirror_trunk))
    if mirror_trunk:
        in_trunk = torch.arange(NUM_JOINTS).expand(len(exchanged), -1) >= TRUNK.start
        moved = PlaneMaps.where(in_trunk, moved.then_mirrored(), moved)
    return PlaneMaps.where(exchanged.unsqueeze(1), moved, maps)
