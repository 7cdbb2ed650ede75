"""Export an encoder to ONNX, for runtimes other than PyTorch.

Inputs and outputs are described in `core.exchange.graph`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from onnx import helper

from core.augment.views import View
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.graph import (
    EMBEDDING,
    HAND_VISIBLE,
    LARGEST_DIFFERENCE,
    POINTS,
    Report,
    trial_views,
    write_checked,
)
from core.exchange.onnx_encoder import encoder_model
from core.exchange.weights import LoadedEncoder

__all__ = ["LARGEST_DIFFERENCE", "OnnxEncoder", "export_onnx", "largest_difference", "write_graph"]


def export_onnx(encoder: LoadedEncoder, path: Path, *, report: Report = lambda _: None) -> float:
    """Export the encoder to `path`, verify its embeddings, and return the largest difference to PyTorch.

    Raises:
        EncoderError: the difference is above `LARGEST_DIFFERENCE`; nothing is written.
        OSError: `path` cannot be written.
    """
    metadata = {"signforge_card": encoder.card.model_dump_json()}
    return write_checked(
        encoder,
        path,
        what="ONNX",
        write=lambda model, partial: write_graph(model, partial, metadata=metadata),
        compare=largest_difference,
        report=report,
    )


def write_graph(model: ClipEncoder, path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write the graph of `model` without verifying it; `metadata` is stored in the file."""
    file = encoder_model(model)
    helper.set_model_props(file, dict(metadata or {}))
    path.write_bytes(file.SerializeToString())


class OnnxEncoder:
    """An exported encoder in ONNX Runtime on the CPU; with `num_threads` 0 the runtime chooses."""

    def __init__(self, path: Path | str, *, num_threads: int = 0) -> None:
        import onnxruntime  # only needed to run ONNX files

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
    """Return the largest difference between embeddings of an ONNX file and of `model`, over several sizes."""
    exported = OnnxEncoder(path)
    views = trial_views(model.views.num_frames)
    with torch.no_grad():
        differences = [
            np.abs(exported.embed_view(view) - model.embed_view(view).numpy()).max() for view in views
        ]
    return float(np.max(differences))  # NaN if any difference is NaN
