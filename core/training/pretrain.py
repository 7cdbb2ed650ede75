"""Pretraining loop: training steps, checkpoints, and the final encoder.

`python -m core.training.pretrain --spec FILE --out DIR` runs it without the service, on `run.num_devices`
devices. With `--resume DIR/checkpoints/step_...` it continues, with a bit-identical result. For several
machines, start the same module with `torchrun` (docs/how-to/train-on-several-devices.md).
"""

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.errors import Stopped
from core.exchange.fitting import fit_halves
from core.program.allocator import allocation
from core.program.frame import Launch, finish, main
from core.program.observer import Follower, Observer, SilentObserver
from core.specs.jobs import PretrainSpec
from core.specs.recipes import resolve
from core.training.checkpoint import load_checkpoint
from core.training.checkpoint_keeper import CheckpointKeeper
from core.training.data_order import DataOrder
from core.training.devices import (
    be_deterministic,
    check_num_ranks,
    choose_device,
    num_ranks_here,
    threads_per_rank,
)
from core.training.encoder_writing import diverged, write_encoder
from core.training.engine import Engine
from core.training.monitoring import QualityMonitor
from core.training.process_group import RankPlace, SingleRank, joined
from core.training.rank_launcher import launch_ranks
from core.training.run_state import RunState
from core.training.schedules import learning_rate
from core.training.start import Start
from core.training.step_views import StepViews
from core.training.training_clips import TrainingClips


def pretrain(
    spec: PretrainSpec,
    out: Path,
    *,
    observer: Observer | None = None,
    resume: Path | None = None,
    ranks: SingleRank | None = None,
    device: torch.device | None = None,
    keep_all: bool = False,
) -> dict[str, object]:
    """Pretrain as `spec` says, as one rank of `ranks`, and write checkpoints and the encoder below `out`.

    Without `ranks` this process is the whole run. With `keep_all` no old checkpoint is deleted. Returns the
    number of steps and the last loss. Rank 0, which writes and reports for all ranks, also returns the
    encoder's folder (relative to `out`), its SHA-256, its quality, and whether and why its embeddings have
    collapsed.

    Raises:
        SpecError, CorpusError: the specification or the corpus cannot be used.
        CheckpointError: `resume` is damaged or belongs to another run.
        Stopped: an observer asked to stop; a checkpoint of this step is saved.
        DivergedError: the loss is not finite.
        StorageError: the disk is full at the last checkpoint or the encoder.
    """
    run = Pretraining(spec, out, observer or SilentObserver(), ranks=ranks, device=device)
    if resume is not None:
        for remark in run.state.restore(load_checkpoint(resume)):
            run.observer.on_log(remark)
    run.train(keep_all=keep_all)
    return run.finish()


class Pretraining:
    """A pretraining run on one rank: data, state, and output folder."""

    def __init__(
        self,
        spec: PretrainSpec,
        out: Path,
        observer: Observer,
        *,
        ranks: SingleRank | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.spec, self.out = spec, out
        self.config = resolve(spec)
        self.ranks = ranks or SingleRank()
        self.observer = observer if self.ranks.rank == 0 else Follower(observer)
        self.clips = TrainingClips.of(spec)
        run = self.config.run
        check_num_ranks(run, self.ranks.num_ranks)
        numbers, weights = np.arange(len(self.clips)), self.clips.weights
        self.order = DataOrder(numbers, run.batch_size, run.seed, weights)
        self.total_steps = run.total_steps(self.order.epoch_length)
        self.device = device or choose_device(self.config)
        be_deterministic(run.deterministic)
        self.engine = Engine.of(self.config, self.device, total_steps=self.total_steps)
        self.own = self.ranks.own_clips(run.batch_size)
        self.views = StepViews(
            self.clips, self.order, self.config.views, self.device, self.own, self.engine.native
        )
        self.start = None if spec.start is None else Start.read(spec.start, self.config)
        self.state = RunState(self.config, self._facts(), self.engine, self.ranks)
        if self.start is not None:
            self.start.give_to(self.state.model.query, self.state.model.key)
            self.observer.on_log(f"Starting from encoder {self.start.card.name!r}.")
        self.engine.prepare(self.state.model.query)
        self.engine.prepare(self.state.model.key)
        self.model = self.ranks.shared(self.state.model)
        self.monitor = self._monitor()

    def train(self, *, keep_all: bool = False) -> None:
        """Take the remaining steps; with `keep_all`, delete no old checkpoint."""
        run, folder = self.config.run, self.out / "checkpoints"
        self.observer.on_phase("training", total_steps=self.total_steps)
        self.observer.on_log(f"Computing with {self.engine}; memory is {allocation()}.")
        for remark in self.clips.remarks():
            self.observer.on_log(remark)
        began, first = time.perf_counter(), self.state.step
        with CheckpointKeeper(folder, self.observer, run=None if keep_all else run) as keeper:
            while self.state.step < self.total_steps:
                keeper.report_saved()
                if self.ranks.any(self.observer.should_stop()):
                    self._save_last(keeper)
                    raise Stopped(
                        f"Stopped at step {self.state.step} of {self.total_steps}; a checkpoint is saved."
                    )
                losses = self._step()
                self.state.step += 1
                step, last = self.state.step, self.state.step == self.total_steps
                watched = last or self._is_watched(step)
                if step % run.log_every_steps == 0 or watched:
                    rate = (step - first) * run.batch_size / (time.perf_counter() - began)
                    keeper.note(self._report(losses, clips_per_second=rate, watched=watched))
                if step % run.checkpoint_every_steps == 0 and not last and self.ranks.rank == 0:
                    keeper.save(self.state.to_checkpoint())
            if first < self.total_steps:
                self._save_last(keeper)

    def finish(self) -> dict[str, object]:
        """Write the encoder, on rank 0, and return the run's result.

        Raises:
            DivergedError: its weights are not finite.
        """
        result: dict[str, object] = {"steps": self.state.step, "final_loss": self.state.last_loss}
        if self.ranks.rank > 0:
            return result
        digest = write_encoder(
            self.out / "encoder",
            self.state.model.query,
            fit=lambda encoder: fit_halves(encoder, self.clips, self.order.clips),
            spec=self.spec,
            config=self.config,
            corpora=[share.card for share in self.clips.shares],
            step=self.state.step,
            start=self.start,
            clips=self.clips.digests(),
        )
        seen = self.monitor.result(**self._now()) if self.monitor is not None else {}
        return {"encoder": "encoder", "sha256": digest, **result, **seen}

    def _step(self) -> Mapping[str, Tensor]:
        """Do one optimiser update; returns the losses of this rank's clips, still on the device."""
        run, step = self.config.run, self.state.step
        query_view, key_view = self.views(step)
        self.engine.begin_step()
        context = self.engine.context(
            run.seed,
            step=step,
            first_clip=self.own.start,
            all_reduce=self.ranks.all_reduce if run.synchronised_batch_statistics else None,
            num_ranks=self.ranks.num_ranks,
        )
        losses: dict[str, Tensor] = self.model(query_view, key_view, context)
        total = torch.stack(list(losses.values())).sum()
        self.state.optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.rate = self._learning_rate()
        for group in self.state.optimiser.param_groups:
            group["lr"] = self.rate
        self.state.optimiser.step()
        return {"loss": total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    def _learning_rate(self) -> float:
        return learning_rate(
            self.config.optimiser,
            step=self.state.step,
            steps_per_epoch=self.order.steps_per_epoch,
            total_steps=self.total_steps,
        )

    def _report(
        self, losses: Mapping[str, Tensor], *, clips_per_second: float, watched: bool = False
    ) -> dict[str, float]:
        """Fetch the losses of the whole batch in one transfer, report them, and return them.

        At a `watched` step quality is reported too, but not returned, so that it cannot select a checkpoint.
        """
        values = self.ranks.mean(torch.stack(list(losses.values()))).tolist()
        metrics = dict(zip(losses, values, strict=True))
        self.state.last_loss = metrics["loss"]
        if not math.isfinite(metrics["loss"]):
            raise diverged(f"The loss is {metrics['loss']} at step {self.state.step}", self.config)
        rates = {"learning_rate": self.rate, "samples_per_second": clips_per_second}
        quality = self.monitor.measure(**self._now()) if watched and self.monitor is not None else {}
        self.observer.on_step(self.state.step, {**metrics, **rates, **quality})
        return metrics

    def _monitor(self) -> QualityMonitor | None:
        """Return the monitor, on rank 0 only; the other ranks wait at their next collective call."""
        if self.ranks.rank > 0 or self.config.run.monitor_every_steps is None:
            return None
        watched = self.clips.first
        return QualityMonitor(watched.corpus, watched.clips, self.config, self.engine)

    def _is_watched(self, step: int) -> bool:
        every = self.config.run.monitor_every_steps
        return every is not None and step % every == 0

    def _now(self) -> dict[str, Any]:
        """Return the monitor's arguments: model, step and observer."""
        return {"model": self.state.model, "step": self.state.step, "observer": self.observer}

    def _save_last(self, keeper: CheckpointKeeper) -> None:
        """Save on rank 0; the other ranks wait, because the launcher may end all ranks when one ends."""
        if self.ranks.rank == 0:
            keeper.save_last(self.state.to_checkpoint())
        self.ranks.wait_for_all()

    def _facts(self) -> dict[str, object]:
        """Return the facts that a checkpoint must share with this run to resume from it."""
        return {
            "config": self.config.model_dump(mode="json", exclude={"encoder": {"embedding_pieces"}}),
            "start": None if self.start is None else self.start.sha256,
            **self.clips.facts,
        }


def run(launch: Launch[PretrainSpec]) -> Mapping[str, object] | None:
    """Pretrain an encoder from a specification, on one device or several."""
    config, place = resolve(launch.spec), RankPlace.of_environment(os.environ)
    if place is not None:
        return _run_rank(launch, place)
    num_ranks = num_ranks_here(config)
    if num_ranks == 1:
        return pretrain(
            launch.spec,
            launch.out,
            observer=launch.observer,
            resume=launch.resume,
            keep_all=launch.keep_all,
        )
    launch.observer.on_log(f"Training on {num_ranks} devices, with one process each.")
    threads = threads_per_rank(num_ranks)
    return launch_ranks("core.training.pretrain", launch, num_ranks=num_ranks, num_threads=threads)


def _run_rank(launch: Launch[PretrainSpec], place: RankPlace) -> Mapping[str, object] | None:
    device = choose_device(resolve(launch.spec), local_rank=place.local_rank)
    with joined(place, device) as ranks:
        result = pretrain(
            launch.spec,
            launch.out,
            observer=launch.observer,
            resume=launch.resume,
            ranks=ranks,
            device=device,
            keep_all=launch.keep_all,
        )
    return result if place.rank == 0 else None


if __name__ == "__main__":
    finish(main(run, PretrainSpec))
