"""Draw all random numbers of a view for the whole batch of a step.

Every rank draws the numbers of all clips from the same generator, and keeps those of its own clips. This is
cheap, and makes a clip's views independent of the distribution of the batch over ranks.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from core.augment.hand_swap import swap_maps
from core.augment.placement import CENTRE, draw_placement, placed_before
from core.augment.plane_maps import PlaneMaps
from core.augment.spatial import draw_spatial
from core.augment.temporal import TemporalCrop, draw_crop
from core.augment.turning import draw_rotation_and_scale
from core.specs.views import ViewConfig


@dataclass(frozen=True)
class ViewDraws:
    """Random parameters of a view for each clip: temporal crop, swap of hands, and maps of the points."""

    crop: TemporalCrop
    swapped: Bool[Tensor, " B"]
    maps: PlaneMaps

    def select_clips(self, clips: slice) -> "ViewDraws":
        """Return the draws of some of the batch's clips, such as those of one rank."""
        crop = TemporalCrop(self.crop.starts[clips], self.crop.lengths[clips])
        return ViewDraws(crop, self.swapped[clips], self.maps.select_clips(clips))

    def to(self, device: torch.device) -> "ViewDraws":
        """Copy to a device."""
        swapped = self.swapped.to(device, non_blocking=True)
        return ViewDraws(self.crop.to(device), swapped, self.maps.to(device))


def draw_numbers(
    clip_lengths: Int64[Tensor, " B"], config: ViewConfig, generator: torch.Generator
) -> ViewDraws:
    """Draw the parameters of one view of every clip, on the CPU."""
    num_clips, mirror_trunk = len(clip_lengths), config.hand_swap_mirrors_trunk
    crop = draw_crop(clip_lengths, config, generator)
    maps = draw_spatial(num_clips, config, generator)
    swapped = torch.rand(num_clips, generator=generator) < config.hand_swap_probability
    centred = config.spatial_centre == "centre"
    maps = maps.about(CENTRE) if centred else maps
    if config.rotation_range > 0 or config.scale_range > 0:
        turns = draw_rotation_and_scale(num_clips, config, generator)
        maps = maps.after(turns.about(CENTRE) if centred else turns)
    if config.trunk_scale_range > 0 or config.trunk_shift_range > 0:
        maps = placed_before(maps, draw_placement(num_clips, config, generator))
    return ViewDraws(crop, swapped, swap_maps(maps, swapped, mirror_trunk=mirror_trunk))
