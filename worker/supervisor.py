"""Runs one attempt at a job: `python -m worker.supervisor JOB_ID ATTEMPT`.

It starts the job's program, reports its events and writes the result. The lease's token comes in the
environment variable of the attempt's mark, since a command line is public. Requests come on standard input,
one per line: `cancel`, `pause`, `drain` or `abandon`. End of input, SIGTERM and the death of the parent mean
`drain`. The exit code is 0 if the last write succeeded, else 1.
"""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial

from sqlalchemy import Engine

from core.errors import LeaseLost, SignforgeError, is_disk_full
from core.jobs import log_lines
from core.jobs.database import open_database, reading
from core.jobs.kinds import KINDS
from core.jobs.kinds import programs as registered_programs
from core.jobs.ledger.fence import Lease, RetryPolicy
from core.jobs.ledger.leases import Claim, held_claim
from core.jobs.settings import Settings, read_settings
from core.jobs.states import FINAL, Reason
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.stores import open_store
from core.jobs.tracing import open_tracing
from core.program.control_group import out_of_memory_kills
from core.program.lifeline import die_with_parent
from core.program.memory_limit import default_limit
from worker.attempt import journal
from worker.attempt.checkpoint_retention import Retention
from worker.attempt.checkpoints import Resume
from worker.attempt.earlier_attempts import recover_files, resume_point
from worker.attempt.execution import Execution, Exited, Inbox, ProgramEvent, StopRequest, read_commands, tail
from worker.attempt.local_spec import local_spec, source_root
from worker.attempt.program_log import NAME, ProgramLog
from worker.attempt.reporter import Reporter
from worker.attempt.settlement import settlement
from worker.attempt.trace import PARENT, AttemptTrace
from worker.attempt.verdict import RETRIED, Fate, ProgramEnd, StopReason, Verdict, judge
from worker.drain import WINDING_UP_SECONDS
from worker.persistence import DATABASE_AWAY, retry_while_database_away
from worker.processes import MARK

_TICK_SECONDS = 0.2
_LAST_WRITE_SECONDS = 5.0
_COMMANDS = {
    stop_reason.value: stop_reason
    for stop_reason in (StopReason.CANCEL, StopReason.PAUSE, StopReason.DRAIN, StopReason.ABANDON)
}
_URGENCY = (
    None,
    StopReason.DRAIN,
    StopReason.PAUSE,
    StopReason.DEADLINE,
    StopReason.CANCEL,
    StopReason.STALL,
    StopReason.ABANDON,
)
_log = logging.getLogger(__name__)


class Supervisor:
    """One attempt of one job, from its specification to its last write."""

    def __init__(
        self,
        claim: Claim,
        *,
        engine: Engine,
        store: ArtifactStore,
        settings: Settings,
        programs: Mapping[str, str],
        inbox: Inbox,
        trace: AttemptTrace,
    ) -> None:
        self._claim, self._engine, self._store, self._settings = claim, engine, store, settings
        self._programs, self._inbox, self._trace = programs, inbox, trace
        self._out = store.attempt_folder(claim.job_id, claim.attempt)
        self._log_file = self._out / NAME
        program_log = ProgramLog(self._log_file, claim.attempt, settings.max_log_bytes_per_job)
        retention = Retention.of(claim, settings)
        self._reporter = Reporter(engine, claim.lease, store, log=program_log, retention=retention)
        self._memory_limit = _memory_limit(claim.kind, settings)
        self._resume = Resume(None, ())
        self._stop_reason: StopReason | None = None
        self._settle_by = float("inf")
        self._stop_by = float("inf") if claim.seconds_left is None else time.monotonic() + claim.seconds_left

    def run(self) -> None:
        """Run the attempt.

        Raises:
            LeaseLost: the lease no longer holds. The program is stopped and nothing was written since.
            OperationalError: the database stayed unavailable. The job will be reaped.
        """
        try:
            execution = self._start()
        except SignforgeError as error:
            reason = Reason(error.reason)
            fate = Fate.RETRY if reason in RETRIED else Fate.FAILED
            self._settle(Verdict(fate, reason, str(error)), ProgramEnd(exit_code=0))
            return
        except OSError as error:
            reason = Reason.STORAGE_FULL if is_disk_full(error) else Reason.INTERNAL_ERROR
            self._settle(Verdict(Fate.RETRY, reason, f"Cannot start: {error}."), ProgramEnd(exit_code=0))
            return
        try:
            ending = self._watch(execution)
        except BaseException:
            execution.kill()
            raise
        self._settle(judge(ending), ending)

    def _start(self) -> Execution:
        """Write the program's specification, choose a checkpoint to resume from, and start the program."""
        max_log_bytes = self._settings.max_log_bytes_per_job
        recover_files(self._engine, self._claim.lease, self._store, max_log_bytes=max_log_bytes)
        spec = local_spec(self._engine, self._claim, self._store)
        self._resume = resume_point(self._engine, self._claim, self._store)
        for remark in self._resume.remarks:
            self._reporter.say(remark)
        self._out.mkdir(parents=True, exist_ok=True)
        spec_file = self._out / "spec.json"
        spec_file.write_text(json.dumps(spec, indent=2))
        arguments = ["--spec", str(spec_file), "--out", str(self._out), "--events", "--keep-all-checkpoints"]
        arguments += ["--journal", str(self._out / journal.NAME)]
        if (root := source_root(self._claim, self._settings.corpus_roots)) is not None:
            arguments += ["--source-root", str(root)]
        if self._memory_limit is not None:
            arguments += ["--memory-limit", str(self._memory_limit)]
        if self._resume.row is not None:
            arguments += ["--resume", str(self._store.local_path(self._resume.row.location))]
        return Execution(
            self._programs[self._claim.kind],
            arguments,
            log=self._log_file,
            mark=self._claim.lease_token,
            inbox=self._inbox,
        )

    def _watch(self, execution: Execution) -> ProgramEnd:
        """Process the program's events, stop it on request or when it stalls, and return how it ended."""
        result: dict[str, object] | None = None
        error: tuple[str, str] | None = None
        alive_at, kill_at = time.monotonic(), float("inf")
        kills_before = out_of_memory_kills()
        while True:
            message = self._inbox.get(_TICK_SECONDS)
            match message:
                case ProgramEvent(event):
                    alive_at = time.monotonic()
                    self._reporter.take(event)
                    self._trace.take(event)
                    if event["event"] == "result":
                        result = {name: value for name, value in event.items() if name != "event"}
                    elif event["event"] == "error":
                        error = (str(event["reason"]), str(event["message"]))
                case StopRequest(stop_reason):
                    kill_at = min(kill_at, self._stop(execution, stop_reason))
                case Exited(code):
                    self._trace.program_ended()
                    starved = out_of_memory_kills() > kills_before
                    return ProgramEnd(
                        code,
                        self._stop_reason,
                        result,
                        error,
                        tail(self._log_file),
                        starved,
                        self._memory_limit,
                    )
            if self._stop_reason is None and time.monotonic() - alive_at > self._settings.stall_seconds:
                kill_at = self._stop(execution, StopReason.STALL)
            if self._stop_reason is None and time.monotonic() >= self._stop_by:
                kill_at = self._stop(execution, StopReason.DEADLINE)
            if time.monotonic() >= kill_at:
                execution.kill()
                kill_at = float("inf")
            self._reporter.flush_if_due()

    def _stop(self, execution: Execution, stop_reason: StopReason) -> float:
        """Tell the program to stop. Returns when to kill it. Of several reasons the most urgent counts."""
        if _URGENCY.index(stop_reason) > _URGENCY.index(self._stop_reason):
            self._stop_reason = stop_reason
        self._settle_soon()
        if stop_reason in (StopReason.STALL, StopReason.ABANDON):
            return time.monotonic()
        execution.ask_to_stop()
        return time.monotonic() + self._settings.stop_grace_seconds

    def _settle(self, verdict: Verdict, ending: ProgramEnd) -> None:
        if verdict.fate == Fate.NOTHING:
            return
        within_seconds = self._settings.lease_seconds
        self._await_uploads()
        last_report = partial(self._reporter.write, to_the_end=True)
        retry_while_database_away(self._engine, last_report, within_seconds=within_seconds, pause=self._pause)
        self._reporter.written()
        self._await_uploads()
        write = settlement(
            self._claim,
            verdict,
            ending,
            out=self._out,
            store=self._store,
            policy=RetryPolicy(self._settings.max_attempts, self._settings.backoff_seconds),
            resumed_from=self._resume.row.id if self._resume.row else None,
        )
        state = retry_while_database_away(
            self._engine, write, within_seconds=within_seconds, pause=self._pause
        )
        self._trace.end(verdict, state)
        _log.info("The attempt has ended; the job is %s.", state)
        if state in FINAL:
            self._store.forget(self._claim.job_id)

    def _await_uploads(self) -> None:
        """Wait for uploads and deletions of checkpoints before the last writes, up to a deadline."""
        while self._reporter.collect() and time.monotonic() < self._settle_by:
            match self._inbox.get(_TICK_SECONDS):
                case StopRequest(StopReason.ABANDON):
                    raise LeaseLost(f"The lease of {self._claim.job_id} was lost; abandoning the attempt.")
                case StopRequest():
                    self._settle_soon()

    def _settle_soon(self) -> None:
        """Set the deadline of the last writes: the holder kills this process after the grace period."""
        patience = self._settings.stop_grace_seconds + WINDING_UP_SECONDS - _LAST_WRITE_SECONDS
        self._settle_by = min(self._settle_by, time.monotonic() + patience)

    def _pause(self, seconds: float) -> None:
        """Wait. Raises LeaseLost if the attempt is to be abandoned."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._inbox.get(left) == StopRequest(StopReason.ABANDON):
                raise LeaseLost(f"StopRequest to abandon {self._claim.job_id}.")


def _memory_limit(kind: str, settings: Settings) -> int | None:
    """Bytes for the program of a kind of job that reads uploads; None for the others."""
    if kind not in KINDS or not KINDS[kind].reads_uploads:
        return None
    return settings.import_memory_bytes or default_limit()


def main(arguments: Sequence[str], *, programs: Mapping[str, str] | None = None) -> int:
    """Supervise the attempt that `arguments` name. Returns the exit code.

    `programs` maps job kinds to modules, instead of the registered ones.
    """
    die_with_parent(signal.SIGTERM, parent=os.getppid())
    inbox = Inbox()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inbox.put(StopRequest(StopReason.DRAIN)))
    read_commands(sys.stdin, inbox, _COMMANDS)
    job_id, attempt = arguments
    lease = Lease(job_id, int(attempt), os.environ[MARK])
    settings = read_settings()  # that of its worker, which has checked it
    log_lines.configure("supervisor", settings, job_id=job_id, attempt=lease.attempt)
    engine, tracing = open_database(settings.resolved_database_url), open_tracing(settings, "supervisor")
    try:
        with reading(engine) as session:
            claim = held_claim(session, lease)
        log_lines.set_process_context(request_id=claim.request_id, worker=claim.worker)
        trace = AttemptTrace(tracing, claim, parent=os.environ.get(PARENT))
        with closing(trace):
            Supervisor(
                claim,
                engine=engine,
                store=open_store(settings),
                settings=settings,
                programs=registered_programs() if programs is None else programs,
                inbox=inbox,
                trace=trace,
            ).run()
    except (LeaseLost, *DATABASE_AWAY) as error:
        _log.warning("%s", error)
        return 1
    finally:
        tracing.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
