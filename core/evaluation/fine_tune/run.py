"""One fine-tuning run: trains a copy of an encoder to classify labelled clips (paper, section IV-B).

A run gets training clips and, for selecting an epoch, val clips. It never gets the label of a test clip, so
neither the weights nor the selected epoch can depend on one.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.augment.views import ClipBatch
from core.errors import DivergedError
from core.evaluation.features import CLIPS_AT_ONCE
from core.evaluation.fine_tune.classifier import SignClassifier, merged_scores, training_loss
from core.evaluation.fine_tune.epoch_choice import BestEpoch, EpochChoice
from core.evaluation.subject import require_unchanged
from core.evaluation.task import CorpusClips
from core.exchange.clip_encoder import ClipEncoder
from core.program.heartbeat import Heartbeat
from core.specs.fine_tuning import FineTuneConfig
from core.training.data_order import DataOrder
from core.training.engine import Engine
from core.training.optimisers import SGD, optimiser_state, restore_optimiser_state
from core.training.schedules import learning_rate
from core.training.step_views import StepViews


@dataclass(frozen=True)
class LabelledClips:
    """Clips of one corpus and the indices of their glosses."""

    source: CorpusClips
    labels: Int64[np.ndarray, " n"]


class FineTuning:
    """State of a fine-tuning run: network, data, optimiser, steps taken, and the best epoch on val."""

    def __init__(
        self,
        start: ClipEncoder,
        train: LabelledClips,
        val: LabelledClips | None,
        *,
        num_classes: int,
        config: FineTuneConfig,
        engine: Engine,
        seed: int,
    ) -> None:
        self._start, self._val, self._config = start, val, config
        self.engine, self._seed = engine, seed
        self.model = SignClassifier(start, num_classes=num_classes, wanted=config.streams, seed=seed).train()
        engine.prepare(self.model.streams)
        self._schedule = config.optimiser()
        self._optimiser = SGD(
            self.model.parameters(),
            lr=config.learning_rate,
            momentum=config.sgd_momentum,
            weight_decay=config.weight_decay,
            fused=True,
        )
        clips = train.source.clips
        self._order = DataOrder(clips, batch_size(config, len(clips)), seed)
        self._labels = np.full(len(train.source.corpus), -1, dtype=np.int64)
        self._labels[clips] = train.labels
        self._views = StepViews(
            train.source.corpus,
            self._order,
            config.views(start.views),
            engine.device,
            slice(0, self._order.batch_size),
            engine.native,
            purposes=("fine-tuning view",),
        )
        self.step = 0
        self.rate = config.learning_rate
        self.last_loss: float | None = None
        self._choice = EpochChoice()

    @property
    def best(self) -> BestEpoch | None:
        """The best epoch on val so far."""
        return self._choice.best

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches in one epoch."""
        return self._order.steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Number of steps of the whole run."""
        return self.steps_per_epoch * self._config.num_epochs

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self.step // self.steps_per_epoch

    def take_step(self) -> Float[Tensor, ""]:
        """Do one optimiser update and return its loss, still on the device."""
        (view,) = self._views(self.step)
        labels = torch.from_numpy(self._labels[self._order.batch(self.step)]).to(self.engine.device)
        self.engine.begin_step()
        logits = self.model(view, self.engine.context(self._seed, step=self.step))
        loss = training_loss(logits, labels, merge=self._config.merge)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.rate = learning_rate(
            self._schedule,
            step=self.step,
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.total_steps,
        )
        for group in self._optimiser.param_groups:
            group["lr"] = self.rate
        self._optimiser.step()
        self.step += 1
        return loss.detach()

    def note_loss(self, loss: Float[Tensor, ""]) -> float:
        """Copy a step's loss to the host, store it in `last_loss` and return it.

        Raises:
            DivergedError: it is not finite.
        """
        self.last_loss = float(loss)
        if not math.isfinite(self.last_loss):
            raise DivergedError(
                f"The loss is {self.last_loss} at step {self.step} of fine-tuning; lower "
                f"fine_tune.learning_rate (it is {self._config.learning_rate})."
            )
        return self.last_loss

    def judge_epoch(self, heartbeat: Heartbeat) -> dict[str, float]:
        """At the end of an epoch, score val once and return the metrics; empty at any other step."""
        at_end = self.step == self.epoch * self.steps_per_epoch
        if self._val is None or not at_end or self._choice.num_judged >= self.epoch:
            return {}
        scores = self.scores(self._val.source, heartbeat)
        network = self.model.state_dict()
        return self._choice.judge(self.epoch, network, scores, self._val.labels, merge=self._config.merge)

    def choose(self) -> int:
        """Load the best epoch on val, or keep the last without val; return its number, from 1."""
        if self.best is None:
            return self.epoch
        self.model.load_state_dict(self.best.network)
        return self.best.epoch

    def scores(self, source: CorpusClips, heartbeat: Heartbeat) -> Float[Tensor, "M C"]:
        """Return class scores of the centre view of each clip, without changing the network.

        Raises:
            EncoderMoved: the network changed.
        """
        self.model.eval()
        with require_unchanged(self.model):
            rows = [self._scored(batch) for batch in _batches(source, self._start, heartbeat)]
        self.model.train()
        return torch.cat(rows)

    def state(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Return tensors by file and facts for a checkpoint, from which `restore` continues identically."""
        tensors = {
            "model": self.model.state_dict(),
            "optimiser": optimiser_state(self.model, self._optimiser),
        }
        best, facts = self._choice.state()
        return {**tensors, **best}, {**facts, "last_loss": self.last_loss}

    def restore(self, step: int, tensors: Mapping[str, dict[str, Tensor]], facts: Mapping[str, Any]) -> None:
        """Restore what `state` returned at step `step`."""
        self.model.load_state_dict(tensors["model"])
        restore_optimiser_state(self.model, self._optimiser, tensors.get("optimiser", {}))
        self._choice.restore(tensors, facts)
        self.step, self.last_loss = step, facts["last_loss"]

    @torch.no_grad()
    def _scored(self, batch: ClipBatch) -> Float[Tensor, "B C"]:
        logits = self.model(self._start.centre_view(batch), self.engine.for_inference())
        return merged_scores(logits, merge=self._config.merge).float().cpu()


def batch_size(config: FineTuneConfig, num_clips: int) -> int:
    """Return the clips per step: `config.batch_size`, or all clips if there are fewer."""
    return min(config.batch_size, num_clips)


def _batches(source: CorpusClips, start: ClipEncoder, heartbeat: Heartbeat) -> Iterator[ClipBatch]:
    for first in range(0, len(source.clips), CLIPS_AT_ONCE):
        heartbeat()
        indices = source.clips[first : first + CLIPS_AT_ONCE]
        ragged = source.corpus.gather(indices, max_frames=start.views.max_source_frames)
        yield ClipBatch.of(ragged, start.device)
