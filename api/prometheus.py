"""The state of the queue in Prometheus' text format."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.states import HELD, State
from core.jobs.tables import JobRow, OutboxRow, WorkerRow

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ALIVE = timedelta(seconds=60)


def exposition(session: Session) -> str:
    """Jobs by state, age of the oldest queued job, doorbells overdue, leases overdue, workers alive."""
    at = now(session)
    return "".join(
        [
            *_gauge("signforge_jobs", "Jobs by state.", _jobs_by_state(session)),
            *_gauge(
                "signforge_queue_age_seconds", "Age of the oldest job that waits.", _queue_age(session, at)
            ),
            *_gauge(
                "signforge_outbox_lag_seconds",
                "How overdue the oldest doorbell is.",
                _outbox_lag(session, at),
            ),
            *_gauge("signforge_leases_expired", "Held jobs whose worker went silent.", _expired(session, at)),
            *_gauge("signforge_workers", "Workers heard of within a minute.", _workers(session, at)),
        ]
    )


def _gauge(name: str, explanation: str, values: dict[str, float]) -> Iterator[str]:
    yield f"# HELP {name} {explanation}\n# TYPE {name} gauge\n"
    for labels, value in values.items():
        yield f"{name}{labels} {value:g}\n"


def _jobs_by_state(session: Session) -> dict[str, float]:
    counted = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all()
    counts = {str(state): int(count) for state, count in counted}
    return {f'{{state="{state.value}"}}': counts.get(state.value, 0) for state in State}


def _queue_age(session: Session, at: datetime) -> dict[str, float]:
    oldest = session.scalar(select(func.min(JobRow.updated_at)).where(JobRow.state == State.QUEUED))
    return {"": (at - oldest).total_seconds() if oldest else 0.0}


def _outbox_lag(session: Session, at: datetime) -> dict[str, float]:
    oldest = session.scalar(select(func.min(OutboxRow.ring_at)))
    return {"": max((at - oldest).total_seconds(), 0.0) if oldest else 0.0}


def _expired(session: Session, at: datetime) -> dict[str, float]:
    held = [state.value for state in HELD]
    late = select(func.count()).where(JobRow.state.in_(held), JobRow.lease_expires_at < at)
    return {"": session.execute(late).scalar_one()}


def _workers(session: Session, at: datetime) -> dict[str, float]:
    alive = select(func.count()).select_from(WorkerRow).where(WorkerRow.seen_at > at - _ALIVE)
    return {"": session.execute(alive).scalar_one()}
