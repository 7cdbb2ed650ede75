"""All random numbers of a view, drawn for a step's whole batch at once.

They are few and cheap, so every rank draws them all from the same generator and keeps those of its own clips:
a clip's views do not depend on how the batch is spread.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from core.augment.exchange import exchanged_maps
from core.augment.placement import CENTRE, draw_placement, placed_before
from core.augment.plane_maps import PlaneMaps
from core.augment.spatial import draw_spatial
from core.augment.temporal import TemporalCrop, draw_crop
from core.augment.turning import draw_turns
from core.specs.pretraining import ViewConfig


@dataclass(frozen=True)
class ViewDraws:
    """What a view does to each clip: which frames it shows, whether hands change places, where points go."""

    crop: TemporalCrop
    exchanged: Bool[Tensor, " B"]
    maps: PlaneMaps

    def select_clips(self, clips: slice) -> "ViewDraws":
        """The draws of some of the batch's clips, such as one rank's."""
        crop = TemporalCrop(self.crop.starts[clips], self.crop.lengths[clips])
        return ViewDraws(crop, self.exchanged[clips], self.maps.select_clips(clips))

    def to(self, device: torch.device) -> "ViewDraws":
        """The same on a device."""
        exchanged = self.exchanged.to(device, non_blocking=True)
        return ViewDraws(self.crop.to(device), exchanged, self.maps.to(device))


def draw_numbers(
    clip_lengths: Int64[Tensor, " B"], config: ViewConfig, generator: torch.Generator
) -> ViewDraws:
    """Draw one view of every clip, on the CPU."""
    num_clips, mirror_trunk = len(clip_lengths), config.hand_swap_mirrors_trunk
    crop = draw_crop(clip_lengths, config, generator)
    maps = draw_spatial(num_clips, config, generator)
    exchanged = torch.rand(num_clips, generator=generator) < config.hand_swap_probability
    centred = config.spatial_centre == "centre"
    maps = maps.about(CENTRE) if centred else maps
    if config.rotation_range > 0 or config.scale_range > 0:
        turns = draw_turns(num_clips, config, generator)
        maps = maps.after(turns.about(CENTRE) if centred else turns)
    if config.trunk_scale_range > 0 or config.trunk_shift_range > 0:
        maps = placed_before(maps, draw_placement(num_clips, config, generator))
    return ViewDraws(crop, exchanged, exchanged_maps(maps, exchanged, mirror_trunk=mirror_trunk))
