"""Somebody who submits jobs over HTTP, watches some, gives up others, and keeps the receipts."""

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.specs.jobs import PretrainSpec
from signforge.client import Client
from signforge.client.errors import ApiError, ConnectionFailed
from signforge.client.models import Job
from tests.chaos.plan import Plan, Wish

_REFUSED = (ApiError, ConnectionFailed)
_PAUSE_SECONDS = 0.4


@dataclass
class Receipt:
    """One accepted job, and what its owner has asked of it."""

    wish: Wish
    idempotency_key: str
    job_id: str
    accepted_at: float
    cancel_asked: bool = False
    watched: list[int] = field(default_factory=list)
    """Sequences of the events that a watcher saw, in order."""
    complaint: str = ""


class Owner:
    """Keeps a few jobs going at a time; every request may fail and is then made again with the same key."""

    def __init__(
        self, client: Client, plan: Plan, spec_of: Mapping[int, PretrainSpec], *, most_unfinished: int
    ) -> None:
        self._client, self._plan, self._spec_of = client, plan, spec_of
        self._most_unfinished = most_unfinished
        self._wish: Wish | None = None
        self._has_submitted_all = False
        self._paused: set[str] = set()
        self._open: list[Receipt] = []
        self._content, self._gone = threading.Event(), threading.Event()
        self._watchers: list[threading.Thread] = []
        self.receipts: list[Receipt] = []
        self.faults: list[str] = []
        """Answers that no service should give."""

    def run(self) -> None:
        """Go on until `leave`; on a thread of its own, since a stopped API lets its callers wait."""
        try:
            while not self._gone.wait(_PAUSE_SECONDS):
                submitting = not self._content.is_set()
                self.tick(time.monotonic(), submitting=submitting)
                self._has_submitted_all = not submitting and self._wish is None
        except Exception as error:
            self.faults.append(f"the owner of the jobs ended: {error!r}")
            raise

    def be_content(self) -> None:
        """Submit nothing more, and have what is paused go on."""
        self._content.set()

    @property
    def has_everything(self) -> bool:
        """Whether every job has ended, and every request that may have made one has an answer."""
        return self._has_submitted_all and not self._open

    def leave(self) -> None:
        """Do nothing more."""
        self._gone.set()

    def tick(self, now: float, *, submitting: bool) -> None:
        """Look at every job that has not ended, make at most one submission, and do whatever else is due."""
        for receipt in list(self._open):
            job = self._look(receipt)
            if job is None:
                continue
            if job.is_final:
                self._open.remove(receipt)
            elif not submitting or now - receipt.accepted_at >= receipt.wish.then_after_seconds:
                self._change_mind(receipt, job)
        unanswered = self._wish is not None
        if unanswered or (submitting and len(self._open) < self._most_unfinished):
            self._submit(now)

    def join(self, within_seconds: float) -> None:
        """Wait for the watchers, which end with their jobs."""
        for watcher in self._watchers:
            watcher.join(within_seconds)

    def _look(self, receipt: Receipt) -> Job | None:
        try:
            return self._client.jobs.get(receipt.job_id)
        except _REFUSED as error:
            self._note(error)
            return None

    def _submit(self, now: float) -> None:
        self._wish = self._wish or self._plan.next_wish()
        key = f"job-{len(self.receipts)}"
        try:
            job = self._client.jobs.submit(self._spec_of[self._wish.seed], idempotency_key=key)
        except _REFUSED as error:
            self._note(error)
            return
        receipt = Receipt(self._wish, key, job.id, now)
        self.receipts.append(receipt)
        self._open.append(receipt)
        self._wish = None
        if receipt.wish.watched:
            watcher = threading.Thread(target=self._watch, args=(receipt,), daemon=True)
            watcher.start()
            self._watchers.append(watcher)

    def _watch(self, receipt: Receipt) -> None:
        try:
            for event in self._client.jobs.events(receipt.job_id):
                receipt.watched.append(event.sequence)
        except _REFUSED as error:
            receipt.complaint = str(error)

    def _change_mind(self, receipt: Receipt, job: Job) -> None:
        with contextlib.suppress(*_REFUSED):  # 409: it has just ended, or is on its way
            if receipt.wish.then == "cancel":
                receipt.cancel_asked = True  # even if the answer is lost
                self._client.jobs.cancel(job.id)
            elif receipt.wish.then == "pause" and job.id not in self._paused and job.state == "running":
                self._client.jobs.pause(job.id)
                self._paused.add(job.id)
            elif job.state == "paused":
                self._client.jobs.resume(job.id)

    def _note(self, error: Exception) -> None:
        if isinstance(error, ApiError) and error.status not in (429, 503):
            self.faults.append(str(error))
