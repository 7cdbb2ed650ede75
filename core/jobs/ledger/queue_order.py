"""The order of the queue as one moment saw it, which tells the place of any queued job without a query."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.jobs.ledger.submissions import owners_load
from core.jobs.states import State
from core.jobs.tables.jobs import JobRow

Rank = tuple[int, int, datetime, str]
"""What `order_of_claims` orders by: minus the priority, held jobs of the owner, time of submission, id."""


@dataclass
class QueueOrder:
    """All queued jobs in the order of claims, and the number of held jobs of each owner."""

    ranks: list[Rank] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def place_of(self, job: JobRow) -> int | None:
        """A queued job's place, from 1. None for a job that was queued since then."""
        rank = self._rank_of(job)
        with self._lock:
            place = bisect_left(self.ranks, rank)
            known = place < len(self.ranks) and self.ranks[place] == rank
        return place + 1 if known else None

    def add(self, job: JobRow) -> None:
        """Put in a job that was queued now."""
        with self._lock:
            insort(self.ranks, self._rank_of(job))

    def _rank_of(self, job: JobRow) -> Rank:
        return -job.priority, self.held.get(job.owner, 0), job.created_at, job.id


def queue_order(session: Session) -> QueueOrder:
    """Read the order of the queue, in two statements."""
    load = owners_load()
    held = {row.owner: row.held for row in session.execute(select(load.c.owner, load.c.held))}
    jobs = JobRow.__table__.c  # plain columns are read in a third of the time
    columns = select(jobs.priority, jobs.owner, jobs.created_at, jobs.id)
    queued = session.execute(columns.where(jobs.state == State.QUEUED))
    ranks = sorted((-priority, held.get(owner, 0), at, job_id) for priority, owner, at, job_id in queued)
    return QueueOrder(ranks, held)
