"""Checkpoints of a fine-tuning evaluation: the state of the current run and the outcomes of finished runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.errors import CheckpointError
from core.evaluation.fine_tune.run import FineTuning
from core.evaluation.outcome import Outcome
from core.evaluation.subject import Subject
from core.evaluation.task import Task
from core.specs.jobs import ClipSelection, EvaluateSpec
from core.specs.saved_settings import with_defaults_for_new_settings
from core.training.checkpoint import Checkpoint, load_checkpoint
from core.training.run_state import fact_differences

_PREDICTED, _RANKS = "predicted", "ranks"
_ELSEWHERE = ("corpus", "encoder", "test_corpus")
"""Fields of a specification that are locations, which may differ between machines."""


def identity_of(spec: EvaluateSpec, task: Task, subject: Subject) -> dict[str, Any]:
    """Return the facts that must be equal in an evaluation and in a checkpoint that it resumes from."""
    return {
        "spec": spec.model_dump(mode="json", exclude=set(_ELSEWHERE)),
        "corpora": [source.corpus.digest for source in task.sources],
        "encoder": subject.digest,
    }


def make_checkpoint(
    run: FineTuning, done: Sequence[Outcome], *, step: int, identity: Mapping[str, Any]
) -> Checkpoint:
    """Return a checkpoint after `step` steps over all runs: the current run, outcomes of finished ones."""
    tensors, facts = run.state()
    outcomes = {f"{n}.{name}": each for n, outcome in enumerate(done) for name, each in _packed(outcome)}
    return Checkpoint(
        step=step,
        tensors={**tensors, "done": outcomes} if outcomes else tensors,
        facts={
            **identity,
            "circumstances": circumstances(run),
            "run": facts,
            "done": [dict(outcome.about) for outcome in done],
        },
    )


def read_checkpoint(path: Path, identity: Mapping[str, Any]) -> tuple[Checkpoint, list[Outcome]]:
    """Read a checkpoint and the outcomes of the runs that were finished when it was saved.

    Raises:
        CheckpointError: it is damaged, or belongs to another evaluation.
    """
    checkpoint = load_checkpoint(path)
    differences = list(fact_differences({**checkpoint.facts, "spec": _spec_of(checkpoint.facts)}, identity))
    if differences:
        raise CheckpointError(
            f"The checkpoint of step {checkpoint.step} belongs to another evaluation "
            f"({'; '.join(differences)}). Start from the beginning, without it."
        )
    done = checkpoint.tensors.get("done", {})
    return checkpoint, [_unpacked(done, n, about) for n, about in enumerate(checkpoint.facts["done"])]


def circumstances(run: FineTuning) -> dict[str, Any]:
    """Return the hardware and settings on which rounding depends."""
    return run.engine.circumstances(num_ranks=1)


def _packed(outcome: Outcome) -> list[tuple[str, Tensor]]:
    arrays = {**outcome.per_clip, _PREDICTED: outcome.predicted, _RANKS: outcome.ranks}
    return [(name, torch.from_numpy(values)) for name, values in arrays.items() if values is not None]


def _unpacked(done: Mapping[str, Tensor], number: int, about: Mapping[str, Any]) -> Outcome:
    prefix = f"{number}."
    parts = {
        name.removeprefix(prefix): each.numpy() for name, each in done.items() if name.startswith(prefix)
    }
    predicted, ranks = parts.pop(_PREDICTED), parts.pop(_RANKS, None)  # earlier versions kept no ranks
    return Outcome(parts, predicted, ranks, about)


def _spec_of(facts: Mapping[str, Any]) -> Any:
    """Return the specification of a checkpoint, with defaults for settings that did not exist then."""
    saved = facts.get("spec", {})
    test_clips = with_defaults_for_new_settings(saved.get("test_clips", {}), ClipSelection)
    selects = test_clips != ClipSelection().model_dump(mode="json")
    places = {"corpus": "-", "encoder": "-", "test_corpus": "-" if selects else None}
    return with_defaults_for_new_settings(saved, EvaluateSpec, placeholders=places)
