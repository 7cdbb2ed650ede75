"""The downloadable encoder: networks of both streams, which map each clip to one embedding."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from core.augment.temporal import centre_crop
from core.augment.views import ClipBatch, View, cut_view
from core.corpora.ragged import RaggedBatch
from core.encoders.folding import folded
from core.encoders.halves import POINTS_WIDTH, Standardised, by_halves, placed_hands, shown_hands
from core.encoders.pass_context import PassContext
from core.encoders.sign_encoder import Features, SignEncoder, initialise
from core.pose.clip import Clip
from core.pose.skeleton import TRUNK
from core.pose.streams import streams
from core.specs.pretraining import EncoderConfig, PretrainConfig

CENTRE_FRACTION = 0.95
"""Fraction of a clip's frames in the centre crop, used for embedding (the released code's test crop)."""


HAND_POINTS = "points"
"""Name of the piece that has the hands' points."""


class ClipEncoder(nn.Module):
    """Joint and motion encoders. Embedding requires evaluation mode."""

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        self.config = config
        self.views = config.views
        self.context = PassContext()
        self.streams = nn.ModuleDict(
            {stream: SignEncoder(config.encoder) for stream in config.encoder.streams}
        )
        initialise(self)
        widths = _widths_of_halves(config.encoder)
        self.halves = nn.ModuleDict({name: Standardised(width) for name, width in widths.items()})
        self.embedding_width = len(config.encoder.streams) * 3 * config.encoder.feature_width
        self.embedding_width += sum(widths.values())

    def forward(self, view: View) -> dict[str, Features]:
        """Return each stream's features. Without `view.has_trunk`, points other than (0, 0) are a trunk."""
        has_trunk = view.has_trunk
        if has_trunk is None:
            has_trunk = (view.points[:, :, TRUNK] != 0).flatten(1).any(dim=1)
        return {
            stream: self.streams[stream](points, view.hand_visible, self.context, has_trunk)
            for stream, points in streams(view.points, view.hand_visible, self.config.encoder).items()
        }

    def for_inference(self, context: PassContext) -> "ClipEncoder":
        """Return a copy for embedding, with folded batch norms, that computes with `context`."""
        ready = ClipEncoder.__new__(ClipEncoder)
        nn.Module.__init__(ready)
        ready.config, ready.views, ready.embedding_width = self.config, self.views, self.embedding_width
        ready.context, ready.halves = context, self.halves
        ready.streams = nn.ModuleDict(
            {stream: folded(network, dtype=context.dtype) for stream, network in self.streams.items()}  # type: ignore[arg-type]
        )
        return ready.eval()

    @torch.inference_mode()
    def embed_batch(self, batch: ClipBatch) -> Float[Tensor, "B D"]:
        """Embed the centre views of clips."""
        return self.embed_view(self.centre_view(batch))

    def centre_view(self, batch: ClipBatch) -> View:
        """Return the centre view: the middle of each clip, resized to `views.num_frames`."""
        crop = centre_crop(batch.lengths, fraction=CENTRE_FRACTION, max_frames=self.views.max_source_frames)
        return cut_view(batch, crop, num_frames=self.views.num_frames)

    def embed_view(self, view: View) -> Float[Tensor, "B D"]:
        """Concatenate fused, hand and trunk features of all streams, each of unit length.

        With `encoder.embedding_pieces` `pooled_and_halves`, the hands' halves follow, each of unit length.
        """
        assert not self.training, "embeddings come from evaluation mode"
        found: dict[str, Features] = self(view)
        pooled = [piece for each in found.values() for piece in (each.fused, each.hand, each.trunk)]
        pieces = [functional.normalize(piece, dim=1) for piece in pooled]
        pieces += [self.halves[name](rows) for name, rows in self.rows_of_halves(view, found).items()]
        return torch.cat(pieces, dim=1)

    def rows_of_halves(self, view: View, found: Mapping[str, Features]) -> dict[str, Float[Tensor, "B D"]]:
        """Return what both hands do in each half, not yet standardised: of each stream, and of points."""
        if not self.halves:
            return {}
        hands = {stream: each.hand_frames.float() for stream, each in found.items()}
        hands[HAND_POINTS] = placed_hands(view.points)
        return {name: by_halves(shown_hands(rows, view.hand_visible)) for name, rows in hands.items()}

    def embed(self, clips: Sequence[Clip], *, batch_size: int = 64) -> Float32[np.ndarray, "N D"]:
        """Embed a sequence of clips; returns one row per clip, in order."""
        rows = [self.embed_batch(ClipBatch.of(batch, self.device)) for batch in _batches(clips, batch_size)]
        return (
            torch.cat(rows).float().cpu().numpy()
            if rows
            else np.empty((0, self.embedding_width), dtype=np.float32)
        )

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device


def _widths_of_halves(config: EncoderConfig) -> dict[str, int]:
    if config.embedding_pieces == "pooled":
        return {}
    return {**dict.fromkeys(config.streams, 4 * config.feature_width), HAND_POINTS: POINTS_WIDTH}


def _batches(clips: Sequence[Clip], batch_size: int) -> Iterator[RaggedBatch]:
    for first in range(0, len(clips), batch_size):
        some = clips[first : first + batch_size]
        yield RaggedBatch(
            points=np.concatenate([clip.points for clip in some]),
            visible=np.concatenate([clip.visible for clip in some]),
            lengths=np.array([len(clip) for clip in some], dtype=np.int64),
        )
