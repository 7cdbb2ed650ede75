"""Lease holder in a pool child: claim a job, renew its lease while its supervisor runs, repeat."""

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
from worker.warm.client import Template, WarmProcess

SUPERVISOR = "worker.supervisor"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """Claims jobs for one worker and holds their leases, one after another."""

    engine: Engine
    settings: Settings
    worker: str
    draining: Callable[[], bool]
    capacity: Capacity = field(default_factory=Capacity)
    supervisor: str = SUPERVISOR
    """Module that runs each attempt, with the arguments of `worker.supervisor`."""
    template: Template | None = None
    """Forks supervisors. Without one they are started fresh."""
    tracing: Tracing = UNTRACED

    def work(self) -> int:
        """Claim and hold jobs until none is left or the worker drains. Returns their number."""
        done = 0
        try:
            while self._may_claim():
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

    def _may_claim(self) -> bool:
        if self.template is not None:
            self.template.await_loaded(stopping=self.draining)
        return not self.draining()

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
        """Start a supervisor and hold the lease until it ends. Leaves no process and no lease behind."""
        try:
            with contextlib.closing(self._start(claimed, trace_parent)) as supervision:
                _Watch(self, claimed, supervision.process).until_exit()
        finally:
            self._release(claimed)

    def _start(self, claimed: Claim, trace_parent: str | None) -> "_Supervision":
        traced = {PARENT: trace_parent} if trace_parent else {}
        arguments = [claimed.job_id, str(claimed.attempt)]
        environment = {**os.environ, MARK: claimed.lease_token, **traced}
        process = None
        if self.template is not None:
            process = self.template.start(self.supervisor, arguments, environment)
        if process is None:
            end_all(claimed.lease_token)  # what a template may have forked without an answer
            return _Supervision(_started(self.supervisor, arguments, environment), claimed.lease_token)
        return _Supervision(process, claimed.lease_token)

    def _trace(self, claimed: Claim, began_ns: int) -> str | None:
        """Record the span of the claim. Returns its `traceparent` for the attempt."""
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
        """Requeue the job if its supervisor did not. Usually it did, and the lease no longer holds."""
        policy = RetryPolicy(self.settings.max_attempts, self.settings.backoff_seconds)
        message = "The worker's supervisor ended before it could report the result of the attempt."
        artifacts = FolderStore(self.settings.artifacts_folder)  # only to read the local log file

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
            _log.warning("Cannot requeue %s; its lease will expire: %s", claimed.job_id, error)


@dataclass(frozen=True)
class _Supervision:
    """A supervisor and all processes that it started."""

    process: "subprocess.Popen[bytes] | WarmProcess"
    mark: str

    def close(self) -> None:
        """End all of its processes."""
        end_all(self.mark)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def _started(
    module: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """A supervisor as a fresh process."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        bufsize=0,  # a command that cannot be delivered must not be retried when the pipe is closed
        start_new_session=True,
        env=dict(environment),
    )


class _Watch:
    """Renews the lease and forwards requests (cancel, pause, drain) to the supervisor, until it ends."""

    def __init__(
        self, holder: Holder, claimed: Claim, process: "subprocess.Popen[bytes] | WarmProcess"
    ) -> None:
        self._holder, self._claimed, self._process = holder, claimed, process
        self._settings = holder.settings
        self._renewed_at = time.monotonic()
        self._sent: set[str] = set()
        self._kill_at = float("inf")

    def until_exit(self) -> None:
        """Return when the supervisor has ended or must be killed."""
        while not self._ended_within(self._settings.poll_seconds):
            if time.monotonic() >= self._kill_at:
                _log.warning("The supervisor of %s did not end in time; killing it.", self._claimed.job_id)
                return
            if self._holder.draining():
                self._send("drain")
            self._apply_requests()

    def _apply_requests(self) -> None:
        """Renew the lease and forward requests. Tolerates outages until shortly before the lease expires."""
        try:
            request = self._renew_or_read()
        except LeaseLost:
            self._send("abandon")
        except DATABASE_AWAY as error:
            _log.warning("Cannot renew the lease of %s: %s", self._claimed.job_id, error)
            if time.monotonic() - self._renewed_at > self._settings.lease_seconds - self._safety_seconds:
                self._send("abandon")
        else:
            if request != Desired.RUN:
                self._send(request.value)

    def _renew_or_read(self) -> Desired:
        engine, lease = self._holder.engine, self._claimed.lease
        asked_at = time.monotonic()
        if asked_at - self._renewed_at < self._settings.renew_seconds:
            with reading(engine) as session:
                return desired(session, lease)
        with transaction(engine) as session:
            request = renew(session, lease, self._settings.lease_seconds)
            workers.renew_heartbeat(session, self._holder.worker)
        self._renewed_at = asked_at
        return request

    @property
    def _safety_seconds(self) -> float:
        """Time to stop the program before the lease expires and another worker may start."""
        return self._settings.lease_seconds / 4

    def _send(self, command: str) -> None:
        if command in self._sent or self._process.stdin is None:
            return
        self._sent.add(command)
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
