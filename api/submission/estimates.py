"""What a pretraining run would weigh and take: shown by a dry run, before anybody pays for it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.schemas.jobs import EstimateResponse
from core.encoders.footprint import footprint
from core.jobs.states import State
from core.jobs.tables.artifacts import CorpusRow
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import PretrainSpec
from core.specs.pretraining import PretrainConfig

_LOOKED_AT = 100
"""Earlier runs to compare with."""


def estimate(session: Session, job: JobRow) -> EstimateResponse:
    """Estimate a prepared run: sizes from its configuration, time from an earlier run of the same kind."""
    config = PretrainConfig.model_validate(job.resolved_spec)
    found = footprint(config)
    num_clips = _num_clips(session, PretrainSpec.model_validate(job.spec))
    run = config.run
    num_steps = None if num_clips is None else num_clips // run.batch_size * run.num_epochs
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
    """Clips that the run learns from; None where the corpus' summary does not tell."""
    corpus = session.get_one(CorpusRow, spec.corpus)
    clips = spec.clips
    if clips.signers or clips.exclude_signers or clips.exclude_labels:
        return None
    counts: dict[str, int] = corpus.summary["split_counts"]
    return sum(counts[split] for split in clips.splits) if clips.splits else sum(counts.values())


def _clips_per_second(session: Session, job: JobRow) -> float | None:
    """The speed of the newest run that trained the same network in the same way, whoever's it was."""
    way = _way(job.resolved_spec or {})
    done = select(JobRow).where(JobRow.kind == job.kind, JobRow.state == State.SUCCEEDED)
    for earlier in session.scalars(done.order_by(JobRow.created_at.desc()).limit(_LOOKED_AT)):
        metrics = (earlier.progress or {}).get("metrics", {})
        if _way(earlier.resolved_spec or {}) == way and metrics.get("samples_per_second"):
            return float(metrics["samples_per_second"])
    return None


def _way(resolved: dict[str, Any]) -> tuple[Any, ...]:
    """What decides how fast a clip is learnt from, as far as a configuration says."""
    run = resolved.get("run", {})
    how = tuple(run.get(field) for field in ("batch_size", "device", "num_devices", "precision", "engine"))
    return (resolved.get("encoder"), resolved.get("views", {}).get("num_frames"), *how)
