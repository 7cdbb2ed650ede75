"""Make views: augmented copies of whole batches of clips (paper, section III-B).

A view's random parameters are drawn on the CPU from a seeded generator, a few numbers per clip. The view is
then computed on the training device, and reads and maps each frame once. It depends only on clips and
generator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from core.augment.draws import ViewDraws
from core.augment.hand_swap import swap_joints
from core.augment.temporal import TemporalCrop, pick_frames, resize_points
from core.corpora.ragged import RaggedBatch
from core.kernels.library import NativeLibrary, runs_natively
from core.pose.skeleton import HANDS, LEFT_HAND, NUM_HAND_JOINTS, NUM_JOINTS, RIGHT_HAND, TRUNK
from core.specs.views import ViewConfig


@dataclass(frozen=True)
class View:
    """A batch of views: points (B, T, 49, 2), and visibility of right and left hand by frame (B, T, 2).

    `has_trunk`: whether each clip has a trunk (B,); None if all have one. `hidden`: frames in which `shown`
    hides the right and the left hand; None if none.
    """

    points: Float[Tensor, "B T 49 2"]
    hand_visible: Bool[Tensor, "B T 2"]
    has_trunk: Bool[Tensor, " B"] | None = None
    hidden: Bool[Tensor, "B T 2"] | None = None

    @property
    def shown(self) -> "View":
        """The view without the hidden hands, as if they had not been detected."""
        if self.hidden is None:
            return self
        joints = self.hidden.repeat_interleave(NUM_HAND_JOINTS, dim=2).unsqueeze(-1)  # (B, T, 42, 1)
        hands = self.points[:, :, HANDS].masked_fill(joints, 0.0)
        points = torch.cat([hands, self.points[:, :, TRUNK]], dim=2)
        return replace(self, points=points, hand_visible=self.hand_visible & ~self.hidden, hidden=None)


@dataclass(frozen=True)
class ClipBatch:
    """Concatenated clips of different lengths on one device; clip b begins at row offsets[b].

    `has_trunk`: whether each clip has a trunk; None if all have one.
    """

    points: Float[Tensor, "F 49 2"]
    hand_visible: Bool[Tensor, "F 2"]
    offsets: Int64[Tensor, " B"]
    lengths: Int64[Tensor, " B"]
    has_trunk: Bool[Tensor, " B"] | None = None

    @classmethod
    def of(cls, batch: RaggedBatch, device: torch.device) -> "ClipBatch":
        """Copy a corpus' batch to `device`; a hand is visible in a frame if any of its points is."""
        lengths = torch.from_numpy(batch.lengths)
        starts_of_parts = (RIGHT_HAND.start, LEFT_HAND.start, TRUNK.start)
        any_visible = np.logical_or.reduceat(batch.visible, starts_of_parts, axis=1)  # (F, 3)
        on_cpu = cls(
            points=torch.from_numpy(batch.points),
            hand_visible=torch.from_numpy(any_visible[:, :2]).contiguous(),
            offsets=lengths.cumsum(0) - lengths,
            lengths=lengths,
            has_trunk=_find_trunks(batch),
        )
        return on_cpu.to(device)

    def to(self, device: torch.device) -> "ClipBatch":
        """Copy to a device, asynchronously from pinned memory."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "ClipBatch":
        """Copy to pinned memory, for asynchronous copies to a CUDA device."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "ClipBatch":
        return ClipBatch(
            points=change(self.points),
            hand_visible=change(self.hand_visible),
            offsets=change(self.offsets),
            lengths=change(self.lengths),
            has_trunk=None if self.has_trunk is None else change(self.has_trunk),
        )


def make_views(
    batch: ClipBatch,
    draws: Sequence[ViewDraws],
    config: ViewConfig,
    *,
    native: NativeLibrary | None = None,
) -> tuple[View, ...]:
    """Make one view of the clips for each element of `draws`, on the clips' device.

    The order is that of the released code: crop and resize, place, augment, swap hands. All steps after the
    first are one map of the plane per joint. A clip with swapped hands is read from a swapped copy.
    """
    mirror_trunk = config.hand_swap_mirrors_trunk
    if runs_natively(batch.points, native):
        assert native is not None
        return tuple(
            _make_natively(batch, each, native, num_frames=config.num_frames, mirror_trunk=mirror_trunk)
            for each in draws
        )
    both_ways = _both_ways(batch, mirror_trunk=mirror_trunk)
    on_device = (each.to(batch.points.device) for each in draws)
    return tuple(_make(both_ways, each, num_frames=config.num_frames) for each in on_device)


def cut_view(batch: ClipBatch, crop: TemporalCrop, *, num_frames: int) -> View:
    """Make a view with a temporal crop only, without other augmentation."""
    crop = crop.to(batch.points.device)
    return View(
        points=resize_points(batch.points, batch.offsets, crop, num_frames=num_frames),
        hand_visible=pick_frames(batch.hand_visible, batch.offsets, crop, num_frames=num_frames),
        has_trunk=batch.has_trunk,
    )


def _both_ways(batch: ClipBatch, *, mirror_trunk: bool) -> ClipBatch:
    """Concatenate all frames and a copy of them with swapped joints."""
    swapped = swap_joints(batch.points, mirror_trunk=mirror_trunk)
    return ClipBatch(
        points=torch.cat([batch.points, swapped]),
        hand_visible=torch.cat([batch.hand_visible, batch.hand_visible.flip(1)]),
        offsets=batch.offsets,
        lengths=batch.lengths,
        has_trunk=batch.has_trunk,
    )


def _make(both_ways: ClipBatch, draws: ViewDraws, *, num_frames: int) -> View:
    half = len(both_ways.points) // 2
    offsets = both_ways.offsets + half * draws.swapped
    shown = replace(both_ways, offsets=offsets)
    view = cut_view(shown, draws.crop, num_frames=num_frames)
    return replace(view, points=draws.maps.apply_(view.points))


def _make_natively(
    batch: ClipBatch, draws: ViewDraws, native: NativeLibrary, *, num_frames: int, mirror_trunk: bool
) -> View:
    """Make the same view with one native kernel, which reads and writes each frame once."""
    num_clips, maps = len(batch.lengths), draws.maps.each(Tensor.contiguous)
    points = torch.empty(num_clips, num_frames, NUM_JOINTS, 2)
    hand_visible = torch.empty(num_clips, num_frames, 2, dtype=torch.bool)
    source = swap_joints(torch.arange(NUM_JOINTS).unsqueeze(0), mirror_trunk=mirror_trunk)
    native.call(
        "views", points.dtype, batch.points, batch.hand_visible, batch.offsets + draws.crop.starts,
        draws.crop.lengths.contiguous(), draws.swapped.contiguous(), source, maps.straight, maps.crossed,
        maps.shift, points, hand_visible, num_clips, num_frames,
    )  # fmt: skip
    return View(points, hand_visible, batch.has_trunk)


def _find_trunks(batch: RaggedBatch) -> Bool[Tensor, " B"] | None:
    """Return whether each clip has a trunk; None if all have one, so that nothing is masked."""
    in_frame = (batch.points[:, TRUNK] != 0).any(axis=(1, 2))  # (F,)
    starts = np.cumsum(batch.lengths) - batch.lengths
    found = np.logical_or.reduceat(in_frame, starts) if len(starts) else np.ones(0, np.bool_)
    return None if found.all() else torch.from_numpy(found)
