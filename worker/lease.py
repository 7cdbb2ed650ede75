"""What a pool child does when the doorbell rings: claim a job, hold its lease while it is done, repeat."""

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.errors import LeaseLost
from core.jobs import workers
from core.jobs.database import reading, transaction
from core.jobs.ledger.fence import RetryPolicy
from core.jobs.ledger.leases import Claim, Desired, claim, desired, renew
from core.jobs.ledger.outcomes import requeue
from core.jobs.log_lines import about
from core.jobs.settings import Settings
from core.jobs.states import Reason
from core.jobs.storage.folder_store import FolderStore
from core.jobs.tracing import UNTRACED, Tracing
from core.jobs.workers import Capacity
from worker.attempt.program_log import store_rest
from worker.attempt.trace import PARENT
from worker.drain import WINDING_UP_SECONDS
from worker.persistence import DATABASE_AWAY, retry_while_database_away
from worker.processes import MARK, end_all

SUPERVISOR = "worker.supervisor"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """Claims jobs in the name of one worker and holds them, one after another."""

    engine: Engine
    settings: Settings
    worker: str
    draining: Callable[[], bool]
    capacity: Capacity = field(default_factory=Capacity)
    supervisor: str = SUPERVISOR
    """Module to start for each attempt, with the arguments of `worker.supervisor`."""
    tracing: Tracing = UNTRACED

    def work(self) -> int:
        """Claim and hold jobs until there is none or the worker is being stopped; returns how many."""
        done = 0
        try:
            while not self.draining():
                began_ns = time.time_ns()
                claimed = self._claim()
                if claimed is None:
                    break
                done += 1
                with about(job_id=claimed.job_id, attempt=claimed.attempt, request_id=claimed.request_id):
                    _log.info("Claimed %s.", claimed.job_id)
                    self.hold(claimed, trace_parent=self._trace(claimed, began_ns))
        finally:
            if done:
                with transaction(self.engine) as session:
                    workers.set_job(session, self.worker, None)
        return done

    def _claim(self) -> Claim | None:
        with transaction(self.engine) as session:
            claimed = claim(
                session,
                self.worker,
                self.settings.lease_seconds,
                capacity=self.capacity,
                max_running_per_owner=self.settings.max_running_per_owner,
            )
            if claimed is not None:
                workers.set_job(session, self.worker, claimed.job_id)
            return claimed

    def hold(self, claimed: Claim, *, trace_parent: str | None = None) -> None:
        """Start a supervisor, hold the lease until it has ended, and leave no process and no lease behind."""
        try:
            with contextlib.closing(self._start(claimed, trace_parent)) as supervision:
                _Watch(self, claimed, supervision.process).until_exit()
        finally:
            self._release(claimed)

    def _start(self, claimed: Claim, trace_parent: str | None) -> "_Supervision":
        traced = {PARENT: trace_parent} if trace_parent else {}
        arguments = [claimed.job_id, str(claimed.attempt)]
        process = subprocess.Popen(
            [sys.executable, "-m", self.supervisor, *arguments],
            stdin=subprocess.PIPE,
            bufsize=0,  # what cannot be delivered must not be tried again when the pipe is closed
            start_new_session=True,
            env={**os.environ, MARK: claimed.lease_token, **traced},
        )
        return _Supervision(process, claimed.lease_token)

    def _trace(self, claimed: Claim, began_ns: int) -> str | None:
        """Tell of the claim; returns what makes the attempt a part of the same trace."""
        span = self.tracing.span(
            "claim",
            parent=claimed.trace_parent,
            began_ns=began_ns,
            job_id=claimed.job_id,
            attempt=claimed.attempt,
            worker=self.worker,
        )
        span.end(failed=False)
        return span.trace_parent

    def _release(self, claimed: Claim) -> None:
        """Give the job back if its supervisor could not; usually it could, and the lease is gone."""
        policy = RetryPolicy(self.settings.max_attempts, self.settings.backoff_seconds)
        message = "The worker's supervisor ended before it could say how the attempt went."
        artifacts = FolderStore(self.settings.artifacts_folder)  # of which this reads a local file

        def write(session: Session) -> None:
            store_rest(
                session,
                claimed.lease,
                artifacts,
                before=claimed.attempt + 1,
                max_bytes=self.settings.max_log_bytes_per_job,
            )
            requeue(
                session,
                claimed.lease,
                charged=True,
                reason=Reason.WORKER_LOST,
                message=message,
                policy=policy,
            )

        try:
            retry_while_database_away(
                self.engine, write, within_seconds=self.settings.lease_seconds, pause=time.sleep
            )
        except LeaseLost:
            pass
        except DATABASE_AWAY as error:
            _log.warning("Cannot give %s back, its lease will run out: %s", claimed.job_id, error)


@dataclass(frozen=True)
class _Supervision:
    """A supervisor and whatever it started."""

    process: "subprocess.Popen[bytes]"
    mark: str

    def close(self) -> None:
        """Leave none of their processes."""
        end_all(self.mark)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


class _Watch:
    """Tells the supervisor what is wanted of its job and renews the lease, until the supervisor ends."""

    def __init__(self, holder: Holder, claimed: Claim, process: "subprocess.Popen[bytes]") -> None:
        self._holder, self._claimed, self._process = holder, claimed, process
        self._settings = holder.settings
        self._renewed_at = time.monotonic()
        self._said: set[str] = set()
        self._kill_at = float("inf")

    def until_exit(self) -> None:
        """Return when the supervisor has ended, by itself or because it had to be killed."""
        while not self._ended_within(self._settings.poll_seconds):
            if time.monotonic() >= self._kill_at:
                _log.warning("The supervisor of %s does not end; killing it.", self._claimed.job_id)
                return
            if self._holder.draining():
                self._say("drain")
            self._apply_requests()

    def _apply_requests(self) -> None:
        """Pass on what is desired; a database that is away is borne until the lease is nearly out."""
        try:
            wish = self._renew_or_read()
        except LeaseLost:
            self._say("abandon")
        except DATABASE_AWAY as error:
            _log.warning("Cannot look after the lease of %s: %s", self._claimed.job_id, error)
            if time.monotonic() - self._renewed_at > self._settings.lease_seconds - self._safety_seconds:
                self._say("abandon")
        else:
            if wish != Desired.RUN:
                self._say(wish.value)

    def _renew_or_read(self) -> Desired:
        engine, lease = self._holder.engine, self._claimed.lease
        asked_at = time.monotonic()
        if asked_at - self._renewed_at < self._settings.renew_seconds:
            with reading(engine) as session:
                return desired(session, lease)
        with transaction(engine) as session:
            wish = renew(session, lease, self._settings.lease_seconds)
            workers.heard_of(session, self._holder.worker)
        self._renewed_at = asked_at
        return wish

    @property
    def _safety_seconds(self) -> float:
        """Time to stop in before somebody else may start."""
        return self._settings.lease_seconds / 4

    def _say(self, command: str) -> None:
        if command in self._said or self._process.stdin is None:
            return
        self._said.add(command)
        grace = 0.0 if command == "abandon" else self._settings.stop_grace_seconds
        self._kill_at = min(self._kill_at, time.monotonic() + grace + WINDING_UP_SECONDS)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{command}\n".encode())

    def _ended_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
