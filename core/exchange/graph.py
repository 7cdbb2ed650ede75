"""Encoder graph shared by all exports: a function of plain tensors, and test views to verify an export.

The graph takes the result of `ClipEncoder.centre_view`: `points` (B, T, 49, 2) float32 and `hand_visible`
(B, T, 2) bool, right hand first. It returns `embedding` (B, D). B and T are dynamic axes.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from core.augment.views import View
from core.encoders.pass_context import PassContext
from core.errors import EncoderError
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import LoadedEncoder
from core.pose.skeleton import NUM_JOINTS, TRUNK

POINTS, HAND_VISIBLE, EMBEDDING = "points", "hand_visible", "embedding"
LARGEST_DIFFERENCE = 1e-4
"""Maximum absolute difference of an exported encoder's embedding to PyTorch's; values are at most 1."""


Report = Callable[[str], None]
"""Takes a line about the progress of an export."""


class EncoderGraph(nn.Module):
    """A copy of the encoder with folded batch norms, computed by plain PyTorch."""

    def __init__(self, model: ClipEncoder) -> None:
        super().__init__()
        self.model = model.for_inference(PassContext())

    def forward(
        self, points: Float[Tensor, "B T 49 2"], hand_visible: Bool[Tensor, "B T 2"]
    ) -> Float[Tensor, "B D"]:
        """Embed views."""
        return self.model.embed_view(View(points, hand_visible))


def example(model: ClipEncoder) -> tuple[tuple[Tensor, Tensor], dict[str, Any]]:
    """Return example arguments for tracing an `EncoderGraph`, and their dynamic axes."""
    view = random_view(3, model.views.num_frames, seed=0)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("frames")}
    return (view.points, view.hand_visible), {POINTS: free, HAND_VISIBLE: free}


NUM_TRIALS = 6
"""Number of the sizes at which an export is verified."""


def trial_views(num_frames: int) -> list[View]:
    """Return views of several sizes to verify an export, with one clip and one frame among them.

    In those of several clips, the last clip has no trunk.
    """
    sizes = ((1, num_frames), (5, num_frames), (2, num_frames + 3), (3, 1), (4, 2), (1, 2 * num_frames))
    assert len(sizes) == NUM_TRIALS
    views = [random_view(clips, frames, seed) for seed, (clips, frames) in enumerate(sizes)]
    for view in views:
        view.points[1:][-1:, :, TRUNK] = 0
    return views


def random_view(clips: int, frames: int, seed: int) -> View:
    """Draw random points and visible hands from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    return View(
        points=torch.rand(clips, frames, NUM_JOINTS, 2, generator=generator),
        hand_visible=torch.rand(clips, frames, 2, generator=generator) < 0.7,
    )


def write_checked(
    encoder: LoadedEncoder,
    path: Path,
    *,
    what: str,
    write: Callable[[ClipEncoder, Path], None],
    compare: Callable[[ClipEncoder, Path], float],
    report: Report = lambda _: None,
) -> float:
    """Write an export with `write`, verify it with `compare`, and return the largest difference to PyTorch.

    The file is moved to `path` only if it passes. `report` is told what is being done.

    Raises:
        EncoderError: the difference is above `LARGEST_DIFFERENCE`; nothing is written.
        OSError: `path` cannot be written.
    """
    model = encoder.model.cpu()
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        partial.touch()  # fail early if the folder cannot be written
        report(f"Writing the {what} file ...")
        write(model, partial)
        report(f"Comparing it with PyTorch at {NUM_TRIALS} sizes ...")
        difference = compare(model, partial)
        if not difference <= LARGEST_DIFFERENCE:
            raise EncoderError(
                f"The {what} file of encoder {encoder.card.name!r} computes other embeddings than PyTorch: "
                f"the largest difference is {difference:.2g}, the limit {LARGEST_DIFFERENCE:g}. No file was "
                "written."
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return difference
