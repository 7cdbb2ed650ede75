"""Final writes of an attempt: succeed, fail, requeue, cancel or pause a held job.

Each is one fenced transaction that writes result, state and event together. If a cancel or a pause was
requested before it, the job is cancelled or paused instead. So each function returns the job's new state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.jobs.database import lock_name
from core.jobs.identifiers import new_id
from core.jobs.ledger.fence import Lease, RetryPolicy, held, move, move_back
from core.jobs.ledger.reports import checkpoints_of
from core.jobs.states import Actor, Reason, State
from core.jobs.tables.artifacts import CorpusRow, EncoderRow, EvaluationRow, without_tables
from core.jobs.tables.jobs import JobRow


@dataclass(frozen=True)
class EncoderFile:
    """An encoder in its final location, ready to be registered."""

    id: str
    location: str
    sha256: str
    size_bytes: int
    card: dict[str, Any]


def succeed_import(
    session: Session,
    lease: Lease,
    *,
    corpus_id: str,
    location: str,
    size_bytes: int,
    result: Mapping[str, Any],
) -> State:
    """Register the corpus at `location` and end the job. It fails if the name was taken in the meantime.

    Raises:
        LeaseLost: the lease no longer holds (so in every function here).
    """
    job = held(session, lease)
    if _stop_requested(job):
        return _stop(session, job)
    name = str(job.spec["name"])
    lock_name(session, f"corpus:{job.owner}:{name}")
    if session.scalars(select(CorpusRow.id).filter_by(owner=job.owner, name=name, deleted_at=None)).first():
        return _fail(
            session, job, Reason.USER_ERROR, f"The corpus name {name!r} is taken. Choose another name."
        )
    summary = {field: value for field, value in result.items() if field != "corpus"}
    session.add(
        CorpusRow(
            id=corpus_id,
            owner=job.owner,
            name=name,
            job_id=job.id,
            location=location,
            digest=str(result["digest"]),
            size_bytes=size_bytes,
            summary=summary,
            created_at=job.updated_at,
        )
    )
    return _succeed(session, job, {"corpus_id": corpus_id, **summary})


def succeed_pretrain(
    session: Session, lease: Lease, *, encoder: EncoderFile, result: Mapping[str, Any]
) -> State:
    """Register the encoder as the next version of its name and end the job.

    It is linked to its corpus and the last checkpoint. An imported encoder has neither.
    """
    job = held(session, lease)
    if _stop_requested(job):
        return _stop(session, job)
    name = str(job.spec["name"])
    lock_name(session, f"encoder:{job.owner}:{name}")
    newest = select(func.max(EncoderRow.version)).where(
        EncoderRow.owner == job.owner, EncoderRow.name == name
    )
    version = (session.execute(newest).scalar_one() or 0) + 1
    last_checkpoint = next(iter(checkpoints_of(session, job.id)), None)
    corpus = session.get(CorpusRow, str(job.spec.get("corpus")))
    session.add(
        EncoderRow(
            id=encoder.id,
            owner=job.owner,
            name=name,
            version=version,
            job_id=job.id,
            corpus_id=corpus.id if corpus else None,
            checkpoint_id=last_checkpoint.id if last_checkpoint else None,
            location=encoder.location,
            sha256=encoder.sha256,
            size_bytes=encoder.size_bytes,
            card=encoder.card,
            created_at=job.updated_at,
        )
    )
    numbers = {field: value for field, value in result.items() if field != "encoder"}
    return _succeed(
        session,
        job,
        {"encoder_id": encoder.id, "encoder_name": name, "encoder_version": version, **numbers},
    )


def succeed_evaluate(session: Session, lease: Lease, *, result: Mapping[str, Any]) -> State:
    """Store the scores, delete the job's checkpoints unless they are pinned, and end the job.

    The job's own result omits the tables of glosses, signers and clips, which the evaluation has.
    """
    job = held(session, lease)
    if _stop_requested(job):
        return _stop(session, job)
    evaluation_id, spec = new_id("evl"), job.spec
    session.add(
        EvaluationRow(
            id=evaluation_id,
            owner=job.owner,
            job_id=job.id,
            encoder_id=spec.get("encoder"),
            corpus_id=spec["corpus"],
            features=spec["features"],
            protocol=spec["protocol"],
            folds=spec["folds"],
            **EvaluationRow.columns_of(result["scores"]),
            created_at=job.updated_at,
        )
    )
    for checkpoint in checkpoints_of(session, job.id):
        if not checkpoint.pinned:
            checkpoint.deleted_at = job.updated_at
    summary = {**result, "scores": without_tables(result["scores"])}
    return _succeed(session, job, {"evaluation_id": evaluation_id, **summary})


def succeed(session: Session, lease: Lease, *, result: Mapping[str, Any]) -> State:
    """End a job that has only a result and no artifact."""
    job = held(session, lease)
    return _stop(session, job) if _stop_requested(job) else _succeed(session, job, dict(result))


def fail(session: Session, lease: Lease, *, reason: Reason, message: str) -> State:
    """End the job as failed, for an error that a retry cannot fix."""
    job = held(session, lease)
    return _stop(session, job) if _stop_requested(job) else _fail(session, job, reason, message)


def requeue(
    session: Session, lease: Lease, *, charged: bool, reason: Reason, message: str, policy: RetryPolicy
) -> State:
    """Requeue the job: not charged after a drain, charged after a fault, failed after too many charges."""
    job = held(session, lease)
    if _stop_requested(job):
        return _stop(session, job)
    state = move_back(
        session, job, actor=Actor.HOLDER, charged=charged, reason=reason, message=message, policy=policy
    )
    session.flush()
    return state


def confirm_cancelled(session: Session, lease: Lease) -> State:
    """End a cancellation, once all processes of the job are gone."""
    return _stop(session, held(session, lease, states=[State.CANCELLING]))


def confirm_paused(session: Session, lease: Lease) -> State:
    """End a pause, once the job has saved its state and stopped."""
    return _stop(session, held(session, lease, states=[State.PAUSING]))


def _stop_requested(job: JobRow) -> bool:
    return job.state in (State.CANCELLING, State.PAUSING)


def _stop(session: Session, job: JobRow) -> State:
    cancelling = job.state == State.CANCELLING
    target = State.CANCELLED if cancelling else State.PAUSED
    reason = Reason.CANCELLED_BY_USER if cancelling else None
    move(session, job, target, actor=Actor.HOLDER, at=job.updated_at, reason=reason)
    session.flush()
    return target


def _fail(session: Session, job: JobRow, reason: Reason, message: str) -> State:
    move(session, job, State.FAILED, actor=Actor.HOLDER, at=job.updated_at, reason=reason, message=message)
    session.flush()
    return State.FAILED


def _succeed(session: Session, job: JobRow, result: dict[str, Any]) -> State:
    job.result = result
    move(session, job, State.SUCCEEDED, actor=Actor.HOLDER, at=job.updated_at)
    session.flush()
    return State.SUCCEEDED
