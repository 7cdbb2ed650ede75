"""Pretraining: the loop, its checkpoints, and the encoder it ends with.

`python -m core.training.pretrain --spec FILE --out DIR` runs it without any service; run again with
`--resume DIR/checkpoints/step_...` it goes on to the same bytes.
"""

import hashlib
import math
import os
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import torch

from core.augment.views import ClipBatch, View, draw_view
from core.config import PretrainConfig
from core.corpora.packed import PackedCorpus
from core.errors import DivergedError, SpecError, Stopped, StorageError
from core.exchange.card import CorpusCard, EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import save_encoder
from core.observer import Observer, SilentObserver
from core.program import Launch, main
from core.recipes import resolve
from core.specs import PretrainSpec
from core.training.checkpoint import keep_newest, load_checkpoint, save_checkpoint
from core.training.data_order import DataOrder
from core.training.engine import Engine
from core.training.randomness import generator_for
from core.training.run_state import RunState
from core.training.schedules import learning_rate


def pretrain(
    spec: PretrainSpec, out: Path, *, observer: Observer | None = None, resume: Path | None = None
) -> dict[str, object]:
    """Pretrain as `spec` says and write checkpoints and the encoder below `out`.

    Returns the encoder's folder (relative to `out`), its SHA-256, the steps taken and the last loss.

    Raises:
        SpecError, CorpusError: the specification or the corpus cannot be used.
        CheckpointError: `resume` is damaged or belongs to another run.
        Stopped: the observer asked to stop; a checkpoint of this very step is saved.
        DivergedError: the loss is no longer finite.
        StorageError: no room for the last checkpoint or the encoder.
    """
    run = Pretraining(spec, out, observer or SilentObserver())
    if resume is not None:
        for remark in run.state.restore(load_checkpoint(resume)):
            run.observer.on_log(remark)
    run.train()
    return run.finish()


class Pretraining:
    """One run: its data, its state, and where it writes."""

    def __init__(self, spec: PretrainSpec, out: Path, observer: Observer) -> None:
        self.spec, self.out, self.observer = spec, out, observer
        self.config = resolve(spec)
        self.corpus = PackedCorpus.open(spec.corpus)
        self.order = DataOrder(
            self.corpus.select(spec.clips), self.config.run.batch_size, self.config.run.seed
        )
        self.total_steps = self.order.steps_per_epoch * self.config.run.num_epochs
        self.device = choose_device(self.config)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS, read at first use
        torch.use_deterministic_algorithms(self.config.run.deterministic)
        self.engine = Engine.of(self.config, self.device, total_steps=self.total_steps)
        facts = {
            "config": self.config.model_dump(mode="json"),
            "corpus": self.corpus.digest,
            "clips": hashlib.sha256(self.order.clips.tobytes()).hexdigest(),
        }
        self.state = RunState(self.config, facts, self.engine)
        self.engine.prepare(self.state.model.query)
        self.engine.prepare(self.state.model.key)

    def train(self) -> None:
        """Take the steps that are left."""
        run = self.config.run
        self.observer.on_phase("training", total_steps=self.total_steps)
        began, first = time.perf_counter(), self.state.step
        while self.state.step < self.total_steps:
            if self.observer.should_stop():
                self._save()
                raise Stopped(
                    f"Stopped at step {self.state.step} of {self.total_steps}; a checkpoint is saved."
                )
            losses = self._step()
            self.state.step += 1
            step, last = self.state.step, self.state.step == self.total_steps
            if step % run.log_every_steps == 0 or last:
                rate = (step - first) * run.batch_size / (time.perf_counter() - began)
                self._report(losses, clips_per_second=rate)
            if step % run.checkpoint_every_steps == 0 and not last:
                self._save_if_there_is_room()
        if first < self.total_steps:
            self._save()

    def finish(self) -> dict[str, object]:
        """Write the encoder and return the run's result.

        Raises:
            DivergedError: its weights are not finite.
        """
        encoder = ClipEncoder(self.config)
        for stream, network in self.state.model.query.items():
            encoder.streams[stream].load_state_dict(network.encoder.state_dict())  # type: ignore[union-attr]
        if not all(torch.isfinite(tensor).all() for tensor in encoder.state_dict().values()):
            raise self._diverged("The last updates left weights that are not finite")
        digest = save_encoder(self.out / "encoder", encoder.eval(), self._card(encoder.embedding_width))
        return {
            "encoder": "encoder",
            "sha256": digest,
            "steps": self.state.step,
            "final_loss": self.state.last_loss,
        }

    def _step(self) -> Mapping[str, torch.Tensor]:
        """One optimiser update; returns the losses, still on the device."""
        seed, step = self.config.run.seed, self.state.step
        query_view, key_view = self._views(step)
        context = self.engine.context(seed, step=step)
        losses: dict[str, torch.Tensor] = self.state.model(query_view, key_view, context)
        total = torch.stack(list(losses.values())).sum()
        self.state.optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.rate = self._learning_rate()
        for group in self.state.optimiser.param_groups:
            group["lr"] = self.rate
        self.state.optimiser.step()
        return {"loss": total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    def _views(self, step: int) -> tuple[View, View]:
        """Two independent views of the step's clips, on the training device."""
        ragged = self.corpus.gather(self.order.batch(step), max_frames=self.config.views.max_source_frames)
        batch = ClipBatch.of(ragged, self.device)
        generators = (generator_for(self.config.run.seed, view, step) for view in ("query view", "key view"))
        query_view, key_view = (draw_view(batch, self.config.views, generator) for generator in generators)
        return query_view, key_view

    def _learning_rate(self) -> float:
        return learning_rate(
            self.config.optimiser,
            step=self.state.step,
            steps_per_epoch=self.order.steps_per_epoch,
            total_steps=self.total_steps,
        )

    def _report(self, losses: Mapping[str, torch.Tensor], *, clips_per_second: float) -> None:
        metrics = {name: loss.item() for name, loss in losses.items()}
        self.state.last_loss = metrics["loss"]
        if not math.isfinite(metrics["loss"]):
            raise self._diverged(f"The loss is {metrics['loss']} at step {self.state.step}")
        rates = {"learning_rate": self.rate, "samples_per_second": clips_per_second}
        self.observer.on_step(self.state.step, {**metrics, **rates})

    def _save(self) -> None:
        folder = self.out / "checkpoints"
        path = save_checkpoint(folder, self.state.to_checkpoint())
        self.observer.on_checkpoint(path, step=self.state.step)
        keep_newest(folder, self.config.run.keep_checkpoints)

    def _save_if_there_is_room(self) -> None:
        """A full disk costs this checkpoint, not the run: the next one may find room."""
        try:
            self._save()
        except StorageError as error:
            self.observer.on_log(f"{error} Training goes on; the next checkpoint tries again.")

    def _diverged(self, what: str) -> DivergedError:
        return DivergedError(
            f"{what}; lower optimiser.learning_rate (it is {self.config.optimiser.learning_rate}) "
            "or raise optimiser.warmup_steps."
        )

    def _card(self, embedding_width: int) -> EncoderCard:
        return EncoderCard(
            name=self.spec.name,
            spec=self.spec.model_copy(update={"corpus": self.corpus.name}),
            config=self.config,
            corpus=CorpusCard(
                name=self.corpus.name, digest=self.corpus.digest, num_clips=len(self.order.clips)
            ),
            step=self.state.step,
            embedding_width=embedding_width,
            signforge_version=version("signforge"),
            torch_version=torch.__version__,
        )


def choose_device(config: PretrainConfig) -> torch.device:
    """The device that `run.device` asks for; `auto` takes CUDA where there is one.

    Raises:
        SpecError: CUDA is asked for and there is none.
    """
    wanted, has_cuda = config.run.device, torch.cuda.is_available()
    if wanted == "cuda" and not has_cuda:
        raise SpecError(
            "run.device is 'cuda', but there is no CUDA device here; use 'auto' or 'cpu'.",
            pointer="/overrides/run/device",
        )
    if wanted == "auto":
        wanted = "cuda" if has_cuda else "cpu"
    return torch.device(wanted)


def run(launch: Launch[PretrainSpec]) -> Mapping[str, object]:
    """Pretrain an encoder from a specification."""
    return pretrain(launch.spec, launch.out, observer=launch.observer, resume=launch.resume)


if __name__ == "__main__":
    sys.exit(main(run, PretrainSpec))
