"""Trace spans of one attempt of a job: the attempt, and the phases of its program as children."""

from typing import Any

from core.jobs.ledger.leases import Claim
from core.jobs.states import State
from core.jobs.tracing import Span, Tracing
from worker.attempt.verdict import Fate, Verdict

PARENT = "TRACEPARENT"
"""Environment variable with the span of the claim, named as in W3C Trace Context and OpenTelemetry."""
_FAILED = {Fate.SUCCEEDED: False, Fate.FAILED: True, Fate.RETRY: True}


class AttemptTrace:
    """Records the spans of an attempt, from its claim (`parent`) to its last write."""

    def __init__(self, tracing: Tracing, claim: Claim, *, parent: str | None) -> None:
        self._tracing = tracing
        self._about: dict[str, Any] = {"job_id": claim.job_id, "attempt": claim.attempt}
        self._attempt = tracing.span(
            "attempt",
            parent=parent,
            **self._about,
            kind=claim.kind,
            worker=claim.worker,
            request_id=claim.request_id,
        )
        self._phase: Span | None = None
        self._is_over = False

    def take(self, event: dict[str, Any]) -> None:
        """Record an event of the program. A new phase ends the previous one."""
        if event["event"] == "phase":
            self._end_phase()
            above, total = self._attempt.trace_parent, int(event["total_steps"])
            self._phase = self._tracing.span(
                str(event["phase"]), parent=above, **self._about, total_steps=total or None
            )
        elif event["event"] == "checkpoint":
            self._attempt.note("checkpoint", step=int(event["step"]))

    def program_ended(self) -> None:
        """End the span of the last phase."""
        self._end_phase()

    def end(self, verdict: Verdict, state: State) -> None:
        """End the span of the attempt, with its verdict and the job's new state."""
        failed = _FAILED.get(verdict.fate)
        outcome = verdict.reason if failed else verdict.fate
        self._end(failed=failed, message=verdict.message, outcome=str(outcome), job_state=str(state))

    def close(self) -> None:
        """End the span of an attempt without a last write, which lost its lease or its database."""
        self._end(failed=True, message="The outcome could not be written.", outcome="abandoned")

    def _end(self, **how: Any) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._end_phase()
        self._attempt.end(**how)

    def _end_phase(self) -> None:
        if self._phase is not None:
            self._phase.end()
            self._phase = None
