"""Prometheus metrics of the whole service, read from the database at each scrape."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from core.jobs import counters
from core.jobs.database import now
from core.jobs.kinds import KINDS
from core.jobs.states import HELD, State
from core.jobs.tables.artifacts import CheckpointRow, CorpusRow, EncoderRow, UploadRow
from core.jobs.tables.jobs import JobAttemptRow, JobLogRow, JobRow, OutboxRow, WorkerRow
from core.jobs.workers import HEARTBEAT_TIMEOUT_SECONDS

Values = Iterable[tuple[tuple[str, ...], float]]
"""Label values, and the value of the metric."""


def families(session: Session, *, lease_seconds: float) -> Iterator[Metric]:
    """All metric families. `lease_seconds` is needed to derive a lease's renewal from its end."""
    at = now(session)
    yield from _jobs(session)
    yield from _queue(session, at)
    yield from _held(session, at, lease_seconds)
    yield from _doorbells(session, at)
    yield from _workers(session, at)
    yield from _stored(session)
    yield from _counted(session)


def _jobs(session: Session) -> Iterator[Metric]:
    counted = select(JobRow.state, JobRow.kind, func.count()).group_by(JobRow.state, JobRow.kind)
    counts = {(state, kind): count for state, kind, count in session.execute(counted)}
    kinds = {kind for _, kind in counts} | set(KINDS)
    states = [(state.value, kind) for state in State for kind in sorted(kinds)]
    yield _gauge(
        "signforge_jobs",
        "Jobs by state and kind.",
        ("state", "kind"),
        ((labels, counts.get(labels, 0)) for labels in states),
    )
    ended = select(JobRow.kind, JobAttemptRow.outcome, func.count())
    ended = ended.join(JobRow, JobRow.id == JobAttemptRow.job_id).where(JobAttemptRow.outcome.is_not(None))
    rows = session.execute(ended.group_by(JobRow.kind, JobAttemptRow.outcome))
    yield _counter(
        "signforge_attempts",
        "Attempts that have ended, by outcome.",
        ("kind", "outcome"),
        (((kind, str(outcome)), count) for kind, outcome, count in rows),
    )


def _queue(session: Session, at: datetime) -> Iterator[Metric]:
    waiting = select(JobRow.num_devices, func.count(), func.min(JobRow.updated_at))
    waiting = waiting.where(JobRow.state == State.QUEUED).group_by(JobRow.num_devices)
    lines = {1: (0, at), **{devices: (depth, since) for devices, depth, since in session.execute(waiting)}}
    ages = {devices: _seconds(at - since) for devices, (_, since) in lines.items()}
    yield _gauge(
        "signforge_queue_depth",
        "Queued jobs, by the number of devices they need.",
        ("num_devices",),
        (((str(devices),), depth) for devices, (depth, _) in lines.items()),
    )
    yield _gauge(
        "signforge_queue_age_seconds",
        "Seconds that the oldest queued job has waited, by the number of devices.",
        ("num_devices",),
        (((str(devices),), age) for devices, age in ages.items()),
    )


def _held(session: Session, at: datetime, lease_seconds: float) -> Iterator[Metric]:
    held = select(JobRow).where(JobRow.state.in_(sorted(HELD)))
    jobs = list(session.scalars(held))
    left = [(job.lease_expires_at - at).total_seconds() for job in jobs if job.lease_expires_at]
    yield _gauge("signforge_leases", "Jobs that a worker holds.", (), [((), len(jobs))])
    yield _gauge(
        "signforge_leases_expired",
        "Jobs that a worker holds and whose lease has expired.",
        (),
        [((), sum(seconds < 0 for seconds in left))],
    )
    oldest = max((max(lease_seconds - seconds, 0.0) for seconds in left), default=0.0)
    yield _gauge(
        "signforge_lease_age_seconds", "Seconds since the oldest lease was renewed.", (), [((), oldest)]
    )
    for name, field, explanation in _PROGRESS:
        reported = (((job.id, job.kind), (job.progress or {}).get(field)) for job in jobs)
        known = ((labels, float(value)) for labels, value in reported if value is not None)
        yield _gauge(f"signforge_job_{name}", explanation, ("job_id", "kind"), known)


_PROGRESS = (
    ("step", "step", "Steps done in the current phase of a job that a worker holds."),
    ("step_seconds", "step_seconds", "Seconds per step, a moving average."),
    ("samples_per_second", "samples_per_second", "Samples per second, as the program reports them."),
)


def _doorbells(session: Session, at: datetime) -> Iterator[Metric]:
    count, oldest = session.execute(select(func.count(), func.min(OutboxRow.ring_at))).one()
    yield _gauge("signforge_doorbells_waiting", "Doorbells in the outbox.", (), [((), count)])
    lag = _seconds(at - oldest) if oldest else 0.0
    yield _gauge(
        "signforge_doorbell_lag_seconds", "Seconds that the most overdue doorbell is late.", (), [((), lag)]
    )


def _workers(session: Session, at: datetime) -> Iterator[Metric]:
    busy = exists().where(JobRow.worker == WorkerRow.name, JobRow.state.in_(sorted(HELD)))
    since = at - timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)
    alive = select(WorkerRow.device, WorkerRow.num_devices, busy).where(WorkerRow.seen_at >= since)
    found = [
        (device, num_devices, "busy" if works else "idle")
        for device, num_devices, works in session.execute(alive)
    ]
    places = {(device, state) for device, _, _ in found for state in ("busy", "idle")}
    places |= {("cpu", "busy"), ("cpu", "idle")}
    matching = {place: [n for device, n, state in found if (device, state) == place] for place in places}
    labels = ("device", "state")
    workers = ((place, len(numbers)) for place, numbers in sorted(matching.items()))
    yield _gauge("signforge_workers", "Workers that sent a heartbeat within a minute.", labels, workers)
    devices = ((place, sum(numbers)) for place, numbers in sorted(matching.items()))
    yield _gauge("signforge_worker_devices", "Devices of these workers (CPU: cores).", labels, devices)


def _stored(session: Session) -> Iterator[Metric]:
    own = [
        (what, select(table.owner, func.sum(table.size_bytes)).group_by(table.owner))
        for what, table in (("upload", UploadRow), ("corpus", CorpusRow), ("encoder", EncoderRow))
    ]
    kept = select(JobRow.owner, func.sum(CheckpointRow.size_bytes)).group_by(JobRow.owner)
    kept = kept.join(JobRow, JobRow.id == CheckpointRow.job_id).where(CheckpointRow.deleted_at.is_(None))
    logs = select(JobRow.owner, func.sum(JobLogRow.num_bytes)).group_by(JobRow.owner)
    logs = logs.join(JobRow, JobRow.id == JobLogRow.job_id)
    yield _gauge(
        "signforge_stored_bytes",
        "Bytes stored per owner: logs in the database, all else in the artifact store.",
        ("owner", "what"),
        (
            ((owner, what), total)
            for what, query in (*own, ("checkpoint", kept), ("log", logs))
            for owner, total in session.execute(query)
        ),
    )


def _counted(session: Session) -> Iterator[Metric]:
    """Counters that the reconcilers keep in the database."""
    counts = counters.values(session)
    yield _counter(
        "signforge_leases_reaped",
        "Leases that expired, by the new state of the job.",
        ("to",),
        (((to.value,), counts.get(counters.leases_reaped(to), 0)) for to in counters.REAPED_TO),
    )
    for name, explanation in (
        (counters.DEADLINES_PASSED, "Jobs whose deadline passed while no worker held them."),
        (counters.DOORBELLS_RUNG, "Doorbells sent to the broker."),
        (counters.COLLECTED_FILES, "Files removed by garbage collection."),
        (counters.COLLECTED_BYTES, "Bytes removed by garbage collection."),
    ):
        yield _counter(f"signforge_{name}", explanation, (), [((), counts.get(name, 0))])
    yield _gauge(
        "signforge_reconciler_seen_timestamp_seconds",
        "Unix time of the last finished round of a reconciler; 0 for never.",
        (),
        [((), counts.get(counters.RECONCILER_SEEN, 0))],
    )


def _gauge(name: str, explanation: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = GaugeMetricFamily(name, explanation, labels=labels)
    for of, value in values:
        family.add_metric(of, float(value))
    return family


def _counter(name: str, explanation: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = CounterMetricFamily(name, explanation, labels=labels)
    for of, value in values:
        family.add_metric(of, float(value))
    return family


def _seconds(duration: timedelta) -> float:
    return max(duration.total_seconds(), 0.0)
