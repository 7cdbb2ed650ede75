"""Augmented views of a training step, a function of (seed, step) and of the rank's clips."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from core.augment.draws import draw_numbers
from core.augment.views import ClipBatch, View, make_views
from core.corpora.ragged import Clips
from core.kernels.library import NativeLibrary
from core.specs.views import ViewConfig
from core.training.data_order import DataOrder
from core.training.randomness import generator_for

QUERY_AND_KEY = ("query view", "key view")
"""Purposes of the random draws of pretraining's two views."""


@dataclass(frozen=True)
class StepViews:
    """Views of the clips at positions `own` of each step's whole batch, one for each purpose, on one device.

    Every rank draws the few random numbers of the whole batch and keeps those of its own clips. A clip's
    views therefore do not depend on the number of ranks.
    """

    source: Clips
    order: DataOrder
    config: ViewConfig
    device: torch.device
    own: slice
    native: NativeLibrary | None = None
    purposes: tuple[str, ...] = QUERY_AND_KEY

    def __call__(self, step: int) -> tuple[View, ...]:
        """Return the views of a step, in the order of the purposes."""
        views, clips = self.config, self.order.batch(step)
        lengths = torch.from_numpy(self._lengths(clips))
        draws = [
            draw_numbers(lengths, views, generator_for(self.order.seed, purpose, step)).select_clips(self.own)
            for purpose in self.purposes
        ]
        batch = self._clips(clips[self.own], self._without_trunk(step, len(clips))[self.own])
        made = make_views(batch, draws, views, native=self.native)
        hidden = self._hidden_hands(step, len(clips))
        return tuple(
            replace(view, hidden=hidden) if purpose == QUERY_AND_KEY[0] else view
            for purpose, view in zip(self.purposes, made, strict=True)
        )

    def _hidden_hands(self, step: int, num_clips: int) -> Bool[Tensor, "b T 2"] | None:
        """Draw the frames in which the query view of each of the rank's clips hides a hand; None if none."""
        fraction, num_frames = self.config.hidden_hand_frames, self.config.num_frames
        if fraction == 0:
            return None
        length = max(1, round(fraction * num_frames))
        generator = generator_for(self.order.seed, "hidden hands", step)
        first = torch.randint(num_frames - length + 1, (num_clips, 1, 2), generator=generator)
        frames = torch.arange(num_frames)[:, None]  # (T, 1)
        return ((frames >= first) & (frames < first + length))[self.own].to(self.device)

    def _without_trunk(self, step: int, num_clips: int) -> Bool[np.ndarray, " B"]:
        """Draw the clips of the whole batch that are shown without their trunk."""
        probability = self.config.trunk_hidden_probability
        if probability == 0:
            return np.zeros(num_clips, dtype=np.bool_)
        generator = generator_for(self.order.seed, "hidden trunks", step)
        return np.asarray(torch.rand(num_clips, generator=generator).numpy() < probability)

    def _lengths(self, clips: Int64[np.ndarray, " B"]) -> Int64[np.ndarray, " B"]:
        """Return the number of used frames of each clip, without reading them."""
        return np.minimum(self.source.lengths[clips], self.config.max_source_frames)

    def _clips(self, clips: Int64[np.ndarray, " b"], without_trunk: Bool[np.ndarray, " b"]) -> ClipBatch:
        ragged = self.source.gather(clips, max_frames=self.config.max_source_frames)
        if without_trunk.any():
            ragged = ragged.without_trunk(without_trunk)
        batch = ClipBatch.of(ragged, torch.device("cpu"))
        return batch.pinned().to(self.device) if self.device.type == "cuda" else batch
