"""Quality monitoring of a pretraining run: embedding metrics, kNN accuracy and collapse detection.

A monitor uses a few clips, drawn once, with the same views each time. It passes them through the query
networks in evaluation mode and changes nothing in the run: no weight, no batch statistics, no generator. A
run is therefore bit-identical with and without it. Labels are used only to report a score.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from core.augment.draws import draw_numbers
from core.augment.temporal import centre_crop
from core.augment.views import ClipBatch, View, cut_view, make_views
from core.contrast.stc import SpatialTemporalConsistency
from core.contrast.stream_network import StreamNetwork
from core.corpora.packed import PackedCorpus
from core.encoders.pass_context import PassContext
from core.encoders.projection import SPACES
from core.encoders.sign_encoder import Features
from core.exchange.clip_encoder import CENTRE_FRACTION
from core.pose.streams import STREAMS, streams
from core.program.observer import Observer
from core.specs.pretraining import PretrainConfig
from core.training.encoder_writing import collapsed
from core.training.engine import Engine
from core.training.held_out import HeldOut, drawn
from core.training.quality import (
    alignment,
    collapse,
    effective_rank,
    instance_accuracy,
    knn_accuracy,
    queue_similarity,
    uniformity,
)
from core.training.randomness import generator_for

NUM_CLIPS = 64
"""Number of training clips whose views are compared."""
SETTLED_STEPS = 100
"""Number of first steps for which no collapse is reported."""
_CLIPS_AT_ONCE = 64
_NUM_NEIGHBOURS = 20
_TEMPERATURE = 0.07
_PURPOSES = ("monitor query view", "monitor key view")


class QualityMonitor:
    """Computes a run's quality metrics from the state of its model."""

    def __init__(
        self,
        corpus: PackedCorpus,
        trained: Int64[np.ndarray, " n"],
        config: PretrainConfig,
        engine: Engine,
    ) -> None:
        seed = config.run.seed
        self._config, self._device = config, engine.device
        self._context: PassContext = engine.for_inference()
        self._step, self._latest = -1, dict[str, float]()
        self._native = engine.native
        self._views = self._augmented(corpus, drawn(trained, NUM_CLIPS, seed))
        held_out = HeldOut.of(corpus, trained, seed)
        self._neighbours = None
        if held_out is not None:
            self._neighbours = tuple(
                (self._centre(corpus, clips), torch.from_numpy(corpus.labels[clips].astype(np.int64)))
                for clips in (held_out.gallery, held_out.queries)
            )

    def measure(
        self, model: SpatialTemporalConsistency, *, step: int, observer: Observer
    ) -> dict[str, float]:
        """Measure the model's quality after `step` steps and log it, and a warning if it has collapsed."""
        if step != self._step:
            self._step, self._latest = step, self.metrics(model)
            observer.on_log(f"Step {step}: {in_words(self._latest)}.")
            if reasons := self._collapse():
                observer.on_log(collapsed(reasons, self._config))
        return self._latest

    def result(self, model: SpatialTemporalConsistency, *, step: int, observer: Observer) -> dict[str, Any]:
        """Return the last quality, and whether and why the embeddings have collapsed.

        `collapsed` is None if the run was too short to decide.
        """
        quality, reasons = self.measure(model, step=step, observer=observer), self._collapse()
        return {
            "quality": quality,
            "collapsed": bool(reasons) if self._settled else None,
            "collapse": reasons,
        }

    @property
    def _settled(self) -> bool:
        """Whether the first steps are over, in which embeddings are always close together."""
        return self._step >= SETTLED_STEPS

    def _collapse(self) -> list[str]:
        return collapse(self._latest) if self._settled else []

    @torch.no_grad()
    def metrics(self, model: SpatialTemporalConsistency) -> dict[str, float]:
        """Compute `quality/<metric>/<stream>` of the fused embeddings, and `quality/knn`.

        Empty if the embeddings are not finite.
        """
        numbers: dict[str, float] = {}
        views = [self._embedded(model, view) for view in self._views]
        if not all(torch.isfinite(each).all() for view in views for each in view.values()):
            return {}  # the training loop then reports divergence
        for stream in model.streams:
            query, key = (view[stream] for view in views)
            queue = model.queue(stream, model.spaces[0]).keys.float().cpu()
            numbers |= {
                f"quality/alignment/{stream}": alignment(query, key),
                f"quality/uniformity/{stream}": uniformity(query),
                f"quality/effective_rank/{stream}": effective_rank(query),
                f"quality/queue_similarity/{stream}": queue_similarity(query, queue),
                f"quality/instance_accuracy/{stream}": instance_accuracy(query, key),
            }
        if self._neighbours is not None:
            (gallery, gallery_labels), (queries, query_labels) = self._neighbours
            numbers["quality/knn"] = knn_accuracy(
                self._scored(model, gallery),
                gallery_labels,
                self._scored(model, queries),
                query_labels,
                num_neighbours=_NUM_NEIGHBOURS,
                temperature=_TEMPERATURE,
            )
        return numbers

    def _augmented(self, corpus: PackedCorpus, clips: Int64[np.ndarray, " n"]) -> tuple[View, ...]:
        """Return two views of each clip, augmented as in training, but drawn once for the whole run."""
        views, seed = self._config.views, self._config.run.seed
        batch = self._clips(corpus, clips)
        draws = [
            draw_numbers(batch.lengths.cpu(), views, generator_for(seed, purpose)) for purpose in _PURPOSES
        ]
        return make_views(batch, draws, views, native=self._native)

    def _centre(self, corpus: PackedCorpus, clips: Int64[np.ndarray, " n"]) -> View:
        """Return the centre view, as in evaluation."""
        views, batch = self._config.views, self._clips(corpus, clips)
        crop = centre_crop(batch.lengths, fraction=CENTRE_FRACTION, max_frames=views.max_source_frames)
        return cut_view(batch, crop, num_frames=views.num_frames)

    def _clips(self, corpus: PackedCorpus, clips: Int64[np.ndarray, " n"]) -> ClipBatch:
        ragged = corpus.gather(clips, max_frames=self._config.views.max_source_frames)
        return ClipBatch.of(ragged, self._device)

    def _embedded(self, model: SpatialTemporalConsistency, view: View) -> dict[str, Float[Tensor, "N D"]]:
        """Return each stream's fused embeddings, or hand embeddings if the recipe has no fused ones."""
        return {
            stream: _network(model, stream).projection(features)[model.spaces[0]].float().cpu()
            for stream, features in self._features(model, view).items()
        }

    def _scored(self, model: SpatialTemporalConsistency, view: View) -> Float[Tensor, "N D"]:
        """Return the pooled pieces of the embedding: unit features of all streams, concatenated."""
        pieces = [
            functional.normalize(getattr(features, space), dim=1)
            for features in self._features(model, view).values()
            for space in SPACES
        ]
        return torch.cat(pieces, dim=1).float().cpu()

    def _features(self, model: SpatialTemporalConsistency, view: View) -> dict[str, Features]:
        """Return each stream's features, in evaluation mode.

        The encoders are called directly, because the networks around them may be compiled for training.
        """
        model.query.eval()
        try:
            return {
                stream: _in_blocks(
                    _network(model, stream).encoder, replace(view, points=points), self._context
                )
                for stream, points in streams(view.points, view.hand_visible, self._config.encoder).items()
            }
        finally:
            model.query.train()


def in_words(metrics: Mapping[str, float]) -> str:
    """Format quality metrics for a log message."""
    if not metrics:
        return "the embeddings are not finite"
    parts = [
        f"{stream} embeddings use {metrics[f'quality/effective_rank/{stream}']:.1f} dimensions, "
        f"uniformity {metrics[f'quality/uniformity/{stream}']:.2f}"
        for stream in STREAMS
        if f"quality/effective_rank/{stream}" in metrics
    ]
    if "quality/knn" in metrics:
        parts.append(f"kNN {metrics['quality/knn']:.3f} on held-out clips")
    return "; ".join(parts)


def _in_blocks(encoder: nn.Module, view: View, context: PassContext) -> Features:
    blocks = zip(view.points.split(_CLIPS_AT_ONCE), view.hand_visible.split(_CLIPS_AT_ONCE), strict=True)
    has_trunk = None if view.has_trunk is None else view.has_trunk.split(_CLIPS_AT_ONCE)
    pieces = [
        encoder(points, visible, context, None if has_trunk is None else has_trunk[number])
        for number, (points, visible) in enumerate(blocks)
    ]
    names = [field.name for field in fields(Features)]
    return Features(**{name: torch.cat([getattr(piece, name) for piece in pieces]) for name in names})


def _network(model: SpatialTemporalConsistency, stream: str) -> StreamNetwork:
    network = model.query[stream]
    assert isinstance(network, StreamNetwork)
    return network
