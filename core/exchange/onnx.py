"""An encoder as an ONNX file, for runtimes other than PyTorch.

The graph takes what `ClipEncoder.centre_view` makes of clips: `points` (B, T, 49, 2) float32 and
`hand_visible` (B, T, 2) bool, right hand first. It returns `embedding` (B, D). Batch and frames are free.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from core.augment.views import View
from core.encoders.pass_context import PassContext
from core.errors import EncoderError
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import LoadedEncoder
from core.pose.skeleton import NUM_JOINTS

POINTS, HAND_VISIBLE, EMBEDDING = "points", "hand_visible", "embedding"
LARGEST_DIFFERENCE = 1e-4
"""Between the file's embedding and PyTorch's, of values that are at most 1."""


def export_onnx(encoder: LoadedEncoder, path: Path) -> float:
    """Write the encoder to `path`, having compared what the file computes with PyTorch; return the largest
    difference seen.

    Raises:
        EncoderError: they differ by more than `LARGEST_DIFFERENCE`; nothing is written.
        OSError: `path` cannot be written.
    """
    model = encoder.model.cpu()
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.touch()  # a place that cannot be written is known before the work
        write_graph(model, partial, metadata={"signforge_card": encoder.card.model_dump_json()})
        difference = largest_difference(model, partial)
        if not difference <= LARGEST_DIFFERENCE:
            raise EncoderError(
                f"The ONNX file of encoder {encoder.card.name!r} does not compute what PyTorch does: the "
                f"largest difference is {difference:.2g}, the limit {LARGEST_DIFFERENCE:g}. It was not kept."
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def write_graph(model: ClipEncoder, path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write what `model` computes, unchecked; `metadata` goes into the file."""
    view = _random_view(3, model.views.num_frames, seed=0)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("frames")}
    with _quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            _Graph(model).eval(),
            (view.points, view.hand_visible),
            input_names=[POINTS, HAND_VISIBLE],
            output_names=[EMBEDDING],
            dynamic_shapes={POINTS: free, HAND_VISIBLE: free},
            dynamo=True,
            verbose=False,
        )
        assert program is not None, "the dynamo exporter returns its program"
        program.model.metadata_props.update(metadata or {})
        program.save(path)


class OnnxEncoder:
    """An exported encoder in ONNX Runtime, on the CPU; `num_threads` 0 lets the runtime choose."""

    def __init__(self, path: Path | str, *, num_threads: int = 0) -> None:
        import onnxruntime  # not needed to train or to embed

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def embed_view(self, view: View) -> Float32[np.ndarray, "B D"]:
        """Embed a batch of views."""
        given = {POINTS: view.points.numpy(), HAND_VISIBLE: view.hand_visible.numpy()}
        (embedding,) = self._session.run([EMBEDDING], given)
        assert isinstance(embedding, np.ndarray)
        return embedding


def largest_difference(model: ClipEncoder, path: Path) -> float:
    """Between the embeddings of an ONNX file and of `model`, over views of several sizes."""
    exported = OnnxEncoder(path)
    num_frames = model.views.num_frames
    sizes = ((1, num_frames), (5, num_frames), (2, num_frames + 3))
    views = [_random_view(clips, frames, seed) for seed, (clips, frames) in enumerate(sizes)]
    with torch.no_grad():
        differences = [
            np.abs(exported.embed_view(view) - model.embed_view(view).numpy()).max() for view in views
        ]
    return float(np.max(differences))  # not a number, if any is


class _Graph(nn.Module):
    """A copy of the encoder, its batch norms folded away, as a function of plain tensors."""

    def __init__(self, model: ClipEncoder) -> None:
        super().__init__()
        self.model = model.for_inference(PassContext())

    def forward(
        self, points: Float[Tensor, "B T 49 2"], hand_visible: Bool[Tensor, "B T 2"]
    ) -> Float[Tensor, "B D"]:
        return self.model.embed_view(View(points, hand_visible))


def _random_view(clips: int, frames: int, seed: int) -> View:
    generator = torch.Generator().manual_seed(seed)
    return View(
        points=torch.rand(clips, frames, NUM_JOINTS, 2, generator=generator),
        hand_visible=torch.rand(clips, frames, 2, generator=generator) < 0.7,
    )


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter remarks on packages it could use and on its own deprecations; neither is the user's."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
