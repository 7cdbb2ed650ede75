"""Evaluates an encoder or a baseline on a labelled corpus, for every fold and seed.

`python -m core.evaluation.evaluate --spec FILE --out DIR` runs it without the service. Fine-tuning resumes
from `--resume DIR/checkpoints/step_...`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.evaluation.fine_tune.folds import FineTuneFolds
from core.evaluation.folds import Fold
from core.evaluation.label_draw import fitted_on, remarks_on_labels, train_facts
from core.evaluation.leaks import (
    num_identical,
    refuse_identical,
    refuse_shared_signers,
    remarks_on_signers,
    shared_signers,
    task_contents,
    without_signer,
)
from core.evaluation.lineage import Lineage
from core.evaluation.outcome import Outcome, scores_of, with_common_scores
from core.evaluation.preprocessing import preprocessing_differences
from core.evaluation.probes import probe
from core.evaluation.report import Scored, report
from core.evaluation.subject import Subject
from core.evaluation.task import Task, task_of
from core.program.frame import Launch, finish, main
from core.program.heartbeat import heartbeat
from core.program.observer import Observer, SilentObserver
from core.specs.jobs import EvaluateSpec

_NO_RANKS = (
    "The checkpoint is of an earlier version, which kept no ranks of clips. The result lacks them and the "
    "scores that come from them. Evaluate anew, without the checkpoint, to get them."
)


def evaluate(
    spec: EvaluateSpec,
    *,
    observer: Observer | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    keep_all: bool = False,
) -> dict[str, Any]:
    """Score features as `spec` says; returns fractions in [0, 1], as means and for each fold and seed.

    Fine-tuning saves checkpoints below `out`, if given, and resumes from `resume`. With `keep_all` no old
    checkpoint is deleted.

    Raises:
        CorpusError, EncoderError: a file cannot be used.
        SplitError: no labelled clips, a single gloss, a fold with an empty side or with overlapping clips, or
            with shared signers in a dictionary.
        EncoderMoved: scoring changed the encoder.
        CheckpointError: `resume` is damaged or belongs to another evaluation.
        Stopped: the observer asked to stop.
    """
    observer = observer or SilentObserver()
    task = task_of(spec)
    if spec.protocol == "dictionary":
        refuse_shared_signers(task)
    seeds = range(spec.seed, spec.seed + spec.num_seeds)
    observer.on_phase("checking", total_steps=1)
    checking = heartbeat(observer, doing="checking clips")
    contents = task_contents(task, checking)
    if not spec.allow_identical_clips:
        refuse_identical(task, contents)
    subject = Subject(spec, task)
    lineage = Lineage(subject.pretrained, task, checking)
    lineage.report(observer)
    differences = preprocessing_differences(subject.pretrained, task)
    for difference in differences:
        observer.on_log(difference)
    if spec.protocol == "fine_tune":
        runs = FineTuneFolds(spec, task, subject, observer, out=out, keep_all=keep_all)
        outcomes = runs.outcomes(seeds, resume=resume)
    else:
        outcomes = _probed(spec, task, subject, seeds, observer)
    outcomes = with_common_scores(outcomes)
    scored = [
        Scored(fold, [of_seed[place] for of_seed in outcomes], _caveats(spec, task, fold, lineage, contents))
        for place, fold in enumerate(task.folds)
    ]
    observer.on_phase("summarising", total_steps=1)
    result = report(task, scored, seeds, heartbeat=lambda: observer.on_step(0, {}))
    result["preprocessing_differences"] = differences
    _warn(scored, observer)
    if result["per_clip"] is None:
        observer.on_log(_NO_RANKS)
    for remark in remarks_on_labels(task, spec, result["num_train"]):
        observer.on_log(remark)
    return result


def _probed(
    spec: EvaluateSpec, task: Task, subject: Subject, seeds: Sequence[int], observer: Observer
) -> list[list[Outcome]]:
    """Return the outcome of each seed and fold on frozen features."""
    features = subject.features(observer, seed=seeds[0])
    outcomes: list[list[Outcome]] = []
    for seed in seeds:
        if outcomes and spec.features == "untrained":
            features = subject.features(observer, seed=seed)
        observer.on_phase("probing", total_steps=len(seeds) * len(task.folds))
        outcomes.append([])
        for fold in task.folds:
            done = (len(outcomes) - 1) * len(task.folds) + len(outcomes[-1])
            train = fitted_on(fold, task.labels, spec, seed=seed)
            result = probe(
                spec,
                features,
                task.labels,
                train=train,
                test=fold.test,
                num_classes=len(task.glosses),
                heartbeat=heartbeat(observer, doing="probing", num_done=done),
            )
            outcomes[-1].append(result.with_facts(train_facts(train, fold.test, task.labels, spec)))
            observer.on_step(done + 1, scores_of(result.per_clip, task.labels[fold.test]))
    return outcomes


def _caveats(
    spec: EvaluateSpec, task: Task, fold: Fold, lineage: Lineage, contents: list[bytes]
) -> dict[str, Any]:
    """Return overlaps that inflate a fold's scores, None if unknown, and glosses that cannot be right."""
    val_chooses = spec.protocol == "fine_tune" and spec.fine_tune.choose_epoch
    return {
        **shared_signers(task, fold, val_chooses=val_chooses),
        "without_signer": without_signer(task, fold),
        "tested_without_train": _tested_without_train(task, fold),
        "num_test_pretrained_on": lineage.num_pretrained_on(fold.test),
        "pretrained_signers": lineage.pretrained_signers(fold.test),
        "num_test_identical": num_identical(fold, contents),
    }


def _tested_without_train(task: Task, fold: Fold) -> list[str]:
    """Return the glosses of the fold's test clips that none of its train clips has."""
    missing = np.setdiff1d(task.labels[fold.test], task.labels[fold.train])
    return [task.glosses[label] for label in missing.tolist()]


def _folds(names: Sequence[str]) -> str:
    return f"folds {', '.join(names)} test" if len(names) > 1 else f"fold {names[0]} tests"


def _warn(scored: Sequence[Scored], observer: Observer) -> None:
    """Log which folds test clips or signers of the pretraining or training set."""
    seen = [each.fold.name for each in scored if each.caveats["num_test_pretrained_on"]]
    if seen:
        clean = [each.fold.name for each in scored if not each.caveats["num_test_pretrained_on"]]
        rest = (
            f"only {_folds(clean)} clips that the encoder has not seen"
            if clean
            else "this holds for every fold"
        )
        observer.on_log(
            f"The encoder was pretrained, without labels, on test clips of fold {', '.join(seen)}; {rest}."
        )
    for each in scored:
        if (signers := each.caveats["pretrained_signers"]) and each.fold.name not in seen:
            observer.on_log(
                f"The encoder was pretrained, without labels, on other clips of {', '.join(signers)}; fold "
                f"{each.fold.name} tests them, so its scores do not measure unseen signers."
            )
        for remark in remarks_on_signers(each.fold, each.caveats):
            observer.on_log(remark)


def run(launch: Launch[EvaluateSpec]) -> Mapping[str, object]:
    """Score an encoder or a baseline on a labelled corpus."""
    scores = evaluate(
        launch.spec,
        observer=launch.observer,
        out=launch.out,
        resume=launch.resume,
        keep_all=launch.keep_all,
    )
    return {"scores": scores}


if __name__ == "__main__":
    finish(main(run, EvaluateSpec))
