"""What must hold when the storm is over; each fault found is a sentence."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import SignforgeError
from core.jobs.states import FINAL, TRANSITIONS, State
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import verify
from core.jobs.tables.access import IdempotencyKeyRow
from core.jobs.tables.artifacts import CheckpointRow, EncoderRow
from core.jobs.tables.jobs import JobAttemptRow, JobEventRow, JobMetricRow, JobRow
from tests.chaos.owner import Receipt


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody touched ends with."""

    sha256: str
    losses: Mapping[int, float]


@dataclass
class Findings:
    """The numbers of the table, and every violation."""

    jobs: int = 0
    attempts: int = 0
    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    violations: list[str] = field(default_factory=list)


def audit(
    session: Session, store: ArtifactStore, receipts: list[Receipt], undisturbed: Mapping[int, Undisturbed]
) -> Findings:
    """Look at every accepted job, and for jobs that nobody asked for."""
    findings = Findings(jobs=len(receipts))
    if not receipts:
        findings.violations.append("no job was accepted, so the faults met none")
    for receipt in receipts:
        job = session.get(JobRow, receipt.job_id)
        if job is None or State(job.state) not in FINAL:
            findings.lost += 1
            findings.violations.append(f"{receipt.job_id} is lost: {job.state if job else 'no row'}")
            continue
        findings.states[job.state] += 1
        findings.attempts += job.attempt
        rules = (_ending, _events, _attempts, _checkpoints, _watched)
        found = [fault for rule in rules for fault in rule(session, store, receipt, job)]
        found += _results(session, store, job, undisturbed[receipt.wish.seed])
        findings.violations += [f"{job.id} ({job.state}): {fault}" for fault in found]
    findings.doubled = _doubled(session, receipts)
    if findings.doubled:
        findings.violations.append(f"{findings.doubled} jobs that nobody was promised")
    return findings


def _ending(session: Session, store: ArtifactStore, receipt: Receipt, job: JobRow) -> Iterator[str]:
    allowed = {State.SUCCEEDED, State.CANCELLED} if receipt.cancel_asked else {State.SUCCEEDED}
    if job.state not in allowed:
        yield f"ended as {job.status_reason}: {job.status_message}"
    if job.lease_token is not None or job.lease_expires_at is not None:
        yield "somebody still holds a lease"


def _events(session: Session, store: ArtifactStore, receipt: Receipt, job: JobRow) -> Iterator[str]:
    these = select(JobEventRow).where(JobEventRow.job_id == job.id).order_by(JobEventRow.sequence)
    events = session.scalars(these).all()
    if [event.sequence for event in events] != list(range(1, job.last_event + 1)):
        yield "its events have a gap or a repeat"
    changes = [event.data for event in events if event.type == "state"]
    at: str | None = None
    for change in changes:
        if change["from"] != at or (at is not None and (State(at), State(change["to"])) not in TRANSITIONS):
            yield f"went from {at} to {change['to']}, which cannot be"
        at = change["to"]
    if at != job.state or events[-1].type != "state":
        yield f"something was written after its end: {events[-1].type}"
    if sum(change["to"] in FINAL for change in changes) != 1:
        yield "it ended more than once"
    if sum(change["to"] == State.STARTING for change in changes) != job.attempt:
        yield "its attempts are not its starts"


def _attempts(session: Session, store: ArtifactStore, receipt: Receipt, job: JobRow) -> Iterator[str]:
    these = select(JobAttemptRow).where(JobAttemptRow.job_id == job.id).order_by(JobAttemptRow.attempt)
    attempts = session.scalars(these).all()
    if [attempt.attempt for attempt in attempts] != list(range(1, job.attempt + 1)):
        yield "its attempts are not numbered one after another"
    for before, after in itertools.pairwise(attempts):
        if before.ended_at is None or before.ended_at > after.started_at:
            yield f"attempts {before.attempt} and {after.attempt} overlap"


def _checkpoints(session: Session, store: ArtifactStore, receipt: Receipt, job: JobRow) -> Iterator[str]:
    """A checkpoint that was written after its attempt's end is the work of a stale writer."""
    query = select(CheckpointRow, JobAttemptRow).join(
        JobAttemptRow,
        (JobAttemptRow.job_id == CheckpointRow.job_id) & (JobAttemptRow.attempt == CheckpointRow.attempt),
    )
    for row, attempt in session.execute(query.where(CheckpointRow.job_id == job.id)):
        if attempt.ended_at is None or not attempt.started_at <= row.created_at <= attempt.ended_at:
            yield f"the checkpoint of step {row.step} was committed outside attempt {row.attempt}"
        if row.deleted_at is None:
            try:
                verify(store.local_path(row.location))
            except (SignforgeError, OSError) as error:
                yield f"the checkpoint of step {row.step} is not whole: {error}"


def _watched(session: Session, store: ArtifactStore, receipt: Receipt, job: JobRow) -> Iterator[str]:
    if receipt.wish.watched and receipt.watched != list(range(1, job.last_event + 1)):
        seen = f"{receipt.watched[:3]} ... {receipt.watched[-3:]} of {job.last_event} events"
        yield f"its watcher saw {seen}, and says {receipt.complaint!r}"


def _results(session: Session, store: ArtifactStore, job: JobRow, undisturbed: Undisturbed) -> Iterator[str]:
    encoders = session.scalars(select(EncoderRow).where(EncoderRow.job_id == job.id)).all()
    if len(encoders) != (job.state == State.SUCCEEDED):
        yield f"it has {len(encoders)} encoders"
    for encoder in encoders:
        weights = store.local_path(encoder.location) / "encoder.safetensors"
        digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else "missing"
        if not digest == encoder.sha256 == undisturbed.sha256:
            yield f"its encoder is {digest[:12]}, undisturbed {undisturbed.sha256[:12]}"
    these = select(JobMetricRow).where(JobMetricRow.job_id == job.id, JobMetricRow.name == "loss")
    losses = {row.step: row.value for row in session.scalars(these)}
    wrong = [step for step, loss in losses.items() if undisturbed.losses.get(step) != loss]
    if wrong:
        yield f"its losses at steps {wrong} are not those of an undisturbed run"
    if job.state == State.SUCCEEDED and losses.keys() != undisturbed.losses.keys():
        yield f"its losses lack steps {sorted(undisturbed.losses.keys() - losses.keys())}"


def _doubled(session: Session, receipts: list[Receipt]) -> int:
    """Pretraining jobs beyond those accepted; and keys that made another job than their receipt says."""
    accepted = {receipt.job_id for receipt in receipts}
    made = set(session.scalars(select(JobRow.id).where(JobRow.kind == "pretrain")))
    keys = {row.key: row.resource_id for row in session.scalars(select(IdempotencyKeyRow))}
    crossed = [receipt for receipt in receipts if keys.get(receipt.idempotency_key) != receipt.job_id]
    return len(made - accepted) + len(crossed)
