"""Views: augmented copies of whole batches of clips (paper, section III-B).

A view is drawn on the CPU from a seeded generator, a handful of numbers a clip, then made on the training
device by gathers and products. It is a pure function of clips and generator, the same on every device.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from core.augment.placement import draw_placement, place
from core.augment.spatial import draw_spatial, transform
from core.augment.temporal import TemporalCrop, draw_crop, pick_frames, resize_points
from core.config import ViewConfig
from core.corpora.packed import RaggedBatch
from core.pose.skeleton import LEFT_HAND, MIRRORED_TRUNK, RIGHT_HAND, TRUNK


@dataclass(frozen=True)
class View:
    """A batch of views: points (B, T, 49, 2), and in which frames the right and left hand count (B, T, 2)."""

    points: Float[Tensor, "B T 49 2"]
    hand_visible: Bool[Tensor, "B T 2"]


@dataclass(frozen=True)
class ClipBatch:
    """Clips of different lengths end to end on one device; clip b begins at row offsets[b]."""

    points: Float[Tensor, "F 49 2"]
    hand_visible: Bool[Tensor, "F 2"]
    offsets: Int64[Tensor, " B"]
    lengths: Int64[Tensor, " B"]

    @classmethod
    def of(cls, batch: RaggedBatch, device: torch.device) -> "ClipBatch":
        """Move a corpus' batch to `device`; a hand counts in a frame where any of its points is visible."""
        lengths = torch.from_numpy(batch.lengths)
        seen = torch.from_numpy(batch.visible)
        hand_visible = torch.stack([seen[:, hand].any(1) for hand in (RIGHT_HAND, LEFT_HAND)], dim=1)
        return cls(
            points=torch.from_numpy(batch.points).to(device),
            hand_visible=hand_visible.to(device),
            offsets=(lengths.cumsum(0) - lengths).to(device),
            lengths=lengths.to(device),
        )


def draw_view(batch: ClipBatch, config: ViewConfig, generator: torch.Generator) -> View:
    """Crop, resize, augment and perhaps swap the hands of every clip; the released code's order."""
    num_clips, device = len(batch.lengths), batch.points.device
    crop = draw_crop(batch.lengths.cpu(), config, generator)
    matrices = draw_spatial(num_clips, config, generator).to(device)
    swapped = (torch.rand(num_clips, generator=generator) < config.hand_swap_probability).to(device)
    placement = draw_placement(num_clips, config, generator).to(device)
    view = cut_view(batch, crop, num_frames=config.num_frames)
    points = transform(place(view.points, placement), matrices)
    return swap_hands(View(points, view.hand_visible), swapped, mirror_trunk=config.hand_swap_mirrors_trunk)


def cut_view(batch: ClipBatch, crop: TemporalCrop, *, num_frames: int) -> View:
    """The view that a temporal crop alone makes."""
    crop = TemporalCrop(crop.starts.to(batch.points.device), crop.lengths.to(batch.points.device))
    return View(
        points=resize_points(batch.points, batch.offsets, crop, num_frames=num_frames),
        hand_visible=pick_frames(batch.hand_visible, batch.offsets, crop, num_frames=num_frames),
    )


def swap_hands(view: View, swapped: Bool[Tensor, " B"], *, mirror_trunk: bool = False) -> View:
    """Exchange right and left hand, points and visibility, in the clips where `swapped`.

    Both hands are stored as right hands, so exchanged they are mirrored. With `mirror_trunk` the trunk is
    too: x becomes 1 - x, and the arms change places.
    """
    points = view.points
    trunk = points[:, :, TRUNK]
    if mirror_trunk:
        trunk = torch.cat([1 - trunk[..., :1], trunk[..., 1:]], dim=-1)[:, :, list(MIRRORED_TRUNK)]
    exchanged = torch.cat([points[:, :, LEFT_HAND], points[:, :, RIGHT_HAND], trunk], dim=2)
    return View(
        points=torch.where(swapped[:, None, None, None], exchanged, points),
        hand_visible=torch.where(swapped[:, None, None], view.hand_visible.flip(2), view.hand_visible),
    )
