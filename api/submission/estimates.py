"""Cost estimates of pretraining runs (parameters, memory, steps, time), shown by dry runs."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.schemas.jobs import EstimateResponse
from core.encoders.footprint import footprint
from core.jobs.states import State
from core.jobs.tables.artifacts import CorpusRow
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import ClipSelection, MoreClips, PretrainSpec
from core.specs.pretraining import PretrainConfig
from core.specs.weights import epoch_length

_MAX_COMPARED = 100
"""Earlier runs to compare with."""


def estimate(session: Session, job: JobRow) -> EstimateResponse:
    """Estimate a prepared run: sizes from its configuration, time from an earlier run of the same network."""
    config = PretrainConfig.model_validate(job.resolved_spec)
    found = footprint(config)
    num_clips = _num_clips(session, PretrainSpec.model_validate(job.spec))
    run = config.run
    num_steps = None if num_clips is None else run.total_steps(num_clips)
    speed = _clips_per_second(session, job)
    seconds = None if speed is None or num_steps is None else num_steps * run.batch_size / speed
    return EstimateResponse(
        num_parameters=found.num_parameters,
        checkpoint_bytes=found.checkpoint_bytes,
        step_memory_bytes=found.step_memory_bytes,
        num_steps=num_steps,
        duration_seconds=seconds,
    )


def _num_clips(session: Session, spec: PretrainSpec) -> int | None:
    """Number of clips of an epoch. None if the corpora's summaries do not determine it."""
    weighted = []
    for each in (MoreClips(corpus=spec.corpus, clips=spec.clips), *spec.also):
        selected = _num_selected(session.get_one(CorpusRow, each.corpus), each.clips)
        if selected is None:
            return None
        weighted.append((selected, each.weight))
    return epoch_length(weighted)


def _num_selected(corpus: CorpusRow, clips: ClipSelection) -> int | None:
    if clips.signers or clips.exclude_signers or clips.exclude_labels:
        return None
    counts: dict[str, int] = corpus.summary["split_counts"]
    return sum(counts[split] for split in clips.splits) if clips.splits else sum(counts.values())


def _clips_per_second(session: Session, job: JobRow) -> float | None:
    """Speed of the newest run, of any owner, with the same network and the same speed-relevant settings."""
    settings = _speed_settings(job.resolved_spec or {})
    done = select(JobRow).where(JobRow.kind == job.kind, JobRow.state == State.SUCCEEDED)
    for earlier in session.scalars(done.order_by(JobRow.created_at.desc()).limit(_MAX_COMPARED)):
        metrics = (earlier.progress or {}).get("metrics", {})
        same = _speed_settings(earlier.resolved_spec or {}) == settings
        if same and metrics.get("samples_per_second"):
            return float(metrics["samples_per_second"])
    return None


def _speed_settings(resolved: dict[str, Any]) -> tuple[Any, ...]:
    """The fields of a configuration that determine the training speed per clip."""
    run = resolved.get("run", {})
    how = tuple(run.get(field) for field in ("batch_size", "device", "num_devices", "precision", "engine"))
    return (resolved.get("encoder"), resolved.get("views", {}).get("num_frames"), *how)
