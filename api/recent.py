"""Answers of the database that many requests share for a moment: the order of the queue, the workers."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from core.jobs.ledger.queue_order import QueueOrder, queue_order
from core.jobs.states import State
from core.jobs.tables.jobs import JobRow
from core.jobs.workers import Capacity, running_workers, why_unclaimable

HELD_SECONDS = 0.5
"""A place in the queue may be this old."""
_REST, _COSTLY_SECONDS = 20, 0.025
"""Reading a queue of many thousands takes a twentieth of the time at most; places are then older."""
ReadT = TypeVar("ReadT")


class Recent(Generic[ReadT]):
    """What `read` returned a moment ago: at most `seconds`, or _REST times as long as it took to read.

    One thread reads it anew while the others wait.
    """

    def __init__(
        self,
        read: Callable[[Session], ReadT],
        *,
        seconds: float = HELD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._seconds, self._clock = read, seconds, clock
        self._lock = threading.Lock()
        self._held: tuple[ReadT, float] | None = None
        self._took = 0.0

    @property
    def is_costly(self) -> bool:
        """Whether reading took so long that it should not be done for one request."""
        return self._took > _COSTLY_SECONDS

    def get(self, session: Session) -> ReadT:
        """The held answer, or a new one."""
        with self._lock:
            if self._held is None or self._clock() >= self._held[1]:
                began = self._clock()
                answer = self._read(session)
                self._took = self._clock() - began
                self._held = answer, began + max(self._seconds, _REST * self._took)
            return self._held[0]

    def forget(self) -> None:
        """Read anew at the next `get`."""
        with self._lock:
            self._held = None


@dataclass(frozen=True)
class Waiting:
    """What queued jobs wait for: their places in the queue, and a worker that can claim them."""

    order: Recent[QueueOrder] = field(default_factory=lambda: Recent(queue_order))
    workers: Recent[list[Capacity]] = field(default_factory=lambda: Recent(running_workers))

    def place_of(self, session: Session, job: JobRow) -> int | None:
        """A job's place in the queue, from 1. None unless it is queued."""
        if job.state != State.QUEUED:
            return None
        if (place := self.order.get(session).place_of(job)) is not None:
            return place
        if not self.order.is_costly:
            self.order.forget()  # it was queued after that was read
            return self.order.get(session).place_of(job)
        self.order.get(session).catch_up(session)
        self.expect(session, job)  # one that went back to the queue is no newer
        return self.order.get(session).place_of(job)

    def expect(self, session: Session, job: JobRow) -> None:
        """Take in a job that was queued now, which is cheaper than to read the whole queue again."""
        order = self.order.get(session)
        if job.state == State.QUEUED and order.place_of(job) is None:
            order.add(job)

    def note_change(self, session: Session, job: JobRow) -> None:
        """Take out a job that was cancelled, so that those behind it move up at once."""
        if not self.order.is_costly:
            self.order.forget()
        elif job.state != State.QUEUED:
            self.order.get(session).remove(job)

    def obstacle_of(self, session: Session, job: JobRow) -> str | None:
        """Why no running worker can claim a queued job. None if one can, or unless it is queued."""
        return why_unclaimable(job, self.workers.get(session)) if job.state == State.QUEUED else None
