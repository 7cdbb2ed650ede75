"""Runs fine-tuning for every fold and seed, one run after the other, with checkpoints for resuming."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from core.errors import Stopped
from core.evaluation.fine_tune.checkpoint import (
    circumstances,
    identity_of,
    make_checkpoint,
    read_checkpoint,
)
from core.evaluation.fine_tune.run import FineTuning, LabelledClips, batch_size
from core.evaluation.folds import Fold
from core.evaluation.label_draw import fitted_on, labelled, train_facts
from core.evaluation.outcome import Outcome
from core.evaluation.probes import classification_outcome
from core.evaluation.subject import Subject
from core.evaluation.task import Task
from core.program.observer import Observer
from core.specs.jobs import EvaluateSpec
from core.specs.run import RunConfig
from core.training.checkpoint import Checkpoint
from core.training.checkpoint_keeper import CheckpointKeeper
from core.training.devices import be_deterministic
from core.training.engine import Engine
from core.training.run_state import other_circumstances

_LOG_EVERY_STEPS = 10


class FineTuneFolds:
    """Fine-tuning runs of an evaluation: each fold and seed starts from the same encoder."""

    def __init__(
        self,
        spec: EvaluateSpec,
        task: Task,
        subject: Subject,
        observer: Observer,
        *,
        out: Path | None,
        keep_all: bool,
    ) -> None:
        self._spec, self._task, self._subject, self._observer = spec, task, subject, observer
        self._folder = None if out is None else out / "checkpoints"
        self._kept = None if keep_all else RunConfig()
        self._identity = identity_of(spec, task, subject)
        self._done: list[Outcome] = []
        self._steps_before = 0
        self._total_steps = 0
        self._keeper: CheckpointKeeper | None = None
        be_deterministic(True)

    def outcomes(self, seeds: Sequence[int], *, resume: Path | None) -> list[list[Outcome]]:
        """Return the outcome of each seed and fold.

        Raises:
            CheckpointError: `resume` is damaged or belongs to another evaluation.
            Stopped: the observer asked to stop; a checkpoint is saved if there is a folder for it.
            DivergedError: a loss is not finite.
        """
        runs = [(seed, fold) for seed in seeds for fold in self._task.folds]
        lengths = [self._num_steps(seed, fold) for seed, fold in runs]
        self._total_steps = sum(lengths)
        checkpoint = None if resume is None else self._restored(resume)
        self._observer.on_phase("fine-tuning", total_steps=self._total_steps)
        with ExitStack() as stack:
            if self._folder is not None:
                keeper = CheckpointKeeper(self._folder, self._observer, run=self._kept)
                self._keeper = stack.enter_context(keeper)
            for number in range(len(self._done), len(runs)):
                self._steps_before = sum(lengths[:number])
                run = self._begun(*runs[number])
                if checkpoint is not None:
                    self._go_on(run, checkpoint)
                    checkpoint = None
                self._done.append(self._finished(run, *runs[number]))
        num_folds = len(self._task.folds)
        return [self._done[first : first + num_folds] for first in range(0, len(runs), num_folds)]

    def _num_steps(self, seed: int, fold: Fold) -> int:
        num_train, config = len(self._train_clips(fold, seed)), self._spec.fine_tune
        return num_train // batch_size(config, num_train) * config.num_epochs

    def _train_clips(self, fold: Fold, seed: int) -> Int64[np.ndarray, " N"]:
        return fitted_on(fold, self._task.labels, self._spec, seed=seed)

    def _val_clips(self, fold: Fold, seed: int) -> Int64[np.ndarray, " V"]:
        """Return the labelled clips that select an epoch; none if the last epoch is used."""
        positions = fold.val if self._spec.fine_tune.choose_epoch else fold.val[:0]
        return labelled(positions, self._task.labels, self._spec, seed=seed)

    def _begun(self, seed: int, fold: Fold) -> FineTuning:
        start, spec = self._subject.network(seed=seed), self._spec
        engine = Engine.chosen(
            spec.engine,
            spec.precision,
            start.config.encoder,
            start.device,
            num_passes=self._num_steps(seed, fold),
        )
        val = self._val_clips(fold, seed)
        return FineTuning(
            start,
            self._clips(self._train_clips(fold, seed)),
            self._clips(val) if len(val) else None,
            num_classes=len(self._task.glosses),
            config=spec.fine_tune,
            engine=engine,
            seed=seed,
        )

    def _clips(self, positions: Int64[np.ndarray, " n"]) -> LabelledClips:
        return LabelledClips(self._task.located(positions), self._task.labels[positions])

    def _go_on(self, run: FineTuning, checkpoint: Checkpoint) -> None:
        run.restore(checkpoint.step - self._steps_before, checkpoint.tensors, checkpoint.facts["run"])
        for remark in other_circumstances(checkpoint.facts, circumstances(run)):
            self._observer.on_log(remark)

    def _finished(self, run: FineTuning, seed: int, fold: Fold) -> Outcome:
        """Train to the end, select an epoch, and only then score the fold's test clips."""
        self._train(run)
        epoch = run.choose()
        scores = run.scores(self._task.located(fold.test), lambda: self._heartbeat(run))
        train, labels = self._train_clips(fold, seed), self._task.labels
        outcome = classification_outcome(scores.numpy(), labels[fold.test], trained=labels[train])
        facts = train_facts(train, fold.test, labels, self._spec)
        more = {
            "num_val": len(self._val_clips(fold, seed)),
            "epoch": epoch,
            "steps": run.step,
            "train_loss": float(run.last_loss or 0.0),
        }
        if run.best is not None:
            more["val_top1"] = run.best.top1
        return outcome.with_facts({**facts, **more})

    def _train(self, run: FineTuning) -> None:
        every = self._spec.fine_tune.checkpoint_every_epochs * run.steps_per_epoch
        while True:
            judged = run.judge_epoch(lambda: self._heartbeat(run))
            if judged:
                self._observer.on_step(self._steps_before + run.step, judged)
            if self._keeper is not None and run.step and run.step % every == 0:
                self._keeper.save(self._checkpoint(run))
            if run.step == run.total_steps:
                return
            self._stop_if_requested(run)
            loss = run.take_step()
            metrics = {}
            if run.step % _LOG_EVERY_STEPS == 0 or run.step % run.steps_per_epoch == 0:
                metrics = {"loss": run.note_loss(loss), "learning_rate": run.rate}
            self._observer.on_step(self._steps_before + run.step, metrics)

    def _heartbeat(self, run: FineTuning) -> None:
        """Report progress during scoring, and stop if requested."""
        self._stop_if_requested(run)
        self._observer.on_step(self._steps_before + run.step, {})

    def _stop_if_requested(self, run: FineTuning) -> None:
        step = self._steps_before + run.step
        if self._observer.should_stop():
            if self._keeper is not None:
                self._keeper.save_last(self._checkpoint(run))
            saved = "nothing was written" if self._keeper is None else "a checkpoint is saved"
            raise Stopped(f"Stopped fine-tuning at step {step} of {self._total_steps}; {saved}.")

    def _checkpoint(self, run: FineTuning) -> Checkpoint:
        return make_checkpoint(run, self._done, step=self._steps_before + run.step, identity=self._identity)

    def _restored(self, path: Path) -> Checkpoint:
        checkpoint, self._done = read_checkpoint(path, self._identity)
        self._observer.on_log(f"Resuming from step {checkpoint.step}.")
        return checkpoint
