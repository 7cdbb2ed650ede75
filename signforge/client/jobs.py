"""`client.jobs`: submit jobs, follow them and control them."""

import builtins
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from core.errors import UserError
from signforge.client import job_logs
from signforge.client.errors import WaitTimedOut
from signforge.client.event_models import Event
from signforge.client.models import Attempt, Checkpoint, Job, LogPage, Metric
from signforge.client.specifications import Spec, checked
from signforge.client.transport import lists
from signforge.client.transport.connection import Connection, path_of
from signforge.client.transport.event_stream import follow_events

_LONG_POLL_SECONDS = 20.0


class Jobs:
    """Jobs: imports, pretrainings, evaluations and leak audits.

    Every method may raise `ApiError` (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def submit(
        self,
        spec: Spec,
        *,
        priority: int = 0,
        deadline_seconds: float | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a job. A connection that breaks on the way makes no second job.

        Args:
            spec: what to do: a model of `core.specs.jobs`, or a mapping as `POST /v1/jobs` takes it.
            priority: jobs with a higher one are claimed first.
            deadline_seconds: the job is stopped and fails if it has not ended by then.
            idempotency_key: submitting again with the same key returns the same job; random by default.

        Returns:
            The queued job.

        Raises:
            SpecError: a field of `spec` is unknown, missing or out of its limits.
            UserError: the idempotency key has a space, a line break or is not ASCII.
        """
        if idempotency_key and not re.fullmatch(r"[\x21-\x7e]+", idempotency_key):
            raise UserError("An idempotency key has printable ASCII characters only, and no spaces.")
        response = self._connection.request(
            "POST",
            "/v1/jobs",
            params=_scheduling(priority, deadline_seconds),
            json=checked(spec),
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        )
        return Job.model_validate(response.json())

    def dry_run(self, spec: Spec) -> dict[str, Any]:
        """Check a specification and say what submitting it would do; nothing is queued.

        Returns:
            The resolved specification, the place in the queue and an estimate of size and time.

        Raises:
            SpecError: a field of `spec` is unknown, missing or out of its limits.
        """
        params = {"dry_run": "true"}
        answer: dict[str, Any] = self._connection.request(
            "POST", "/v1/jobs", params=params, json=checked(spec)
        ).json()
        return answer

    def get(self, job_id: str) -> Job:
        """Look up one job.

        Raises:
            ApiError: there is no such job (404).
        """
        return self._get(job_id)

    def list(
        self, *, state: str | None = None, kind: str | None = None, limit: int | None = None
    ) -> builtins.list[Job]:
        """List jobs, newest first.

        Args:
            state: only jobs in this state, such as `running`.
            kind: only jobs of this kind, such as `pretrain`.
            limit: at most this many; all of them by default.
        """
        return list(lists.paged(self._connection, "/v1/jobs", Job, limit=limit, state=state, kind=kind))

    def cancel(self, job_id: str) -> Job:
        """Stop a job for good; its last checkpoint stays. Repeating it is harmless.

        Raises:
            ApiError: the job has succeeded or failed already (409).
        """
        return self._act(job_id, "cancel")

    def pause(self, job_id: str) -> Job:
        """Have a job save its state and free its worker.

        Raises:
            ApiError: a job in this state cannot be paused (409).
        """
        return self._act(job_id, "pause")

    def resume(self, job_id: str) -> Job:
        """Queue a paused job again; it continues where it stopped.

        Raises:
            ApiError: the job is not paused (409).
        """
        return self._act(job_id, "resume")

    def retry(self, job_id: str, *, priority: int = 0, deadline_seconds: float | None = None) -> Job:
        """Do the work of a job that has ended again, from its last checkpoint if it did not succeed.

        Args:
            job_id: the job that has ended.
            priority: of the new job.
            deadline_seconds: of the new job.

        Returns:
            The new job, or the one that an earlier retry made and that has not ended.

        Raises:
            ApiError: the job has not ended (409).
        """
        response = self._connection.request(
            "POST",
            path_of("jobs", job_id, "retry"),
            params=_scheduling(priority, deadline_seconds),
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        return Job.model_validate(response.json())

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait until a job has ended, whether it succeeded, failed or was cancelled.

        Args:
            job_id: the job.
            timeout: seconds to wait at most; without end by default.

        Returns:
            The job in its final state, also if it failed; `Job.raise_for_state` raises its message then.

        Raises:
            WaitTimedOut: it has not ended within `timeout` seconds; it goes on running.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        job = self.get(job_id)
        while not job.is_final:
            left = _LONG_POLL_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitTimedOut(f"{job_id} is still {job.state} after {timeout:g} s; it goes on running.")
            job = self._long_poll(job_id, seconds=min(left, _LONG_POLL_SECONDS))
        return job

    def events(
        self, job_id: str, *, after: int = 0, on_away: Callable[[], None] = lambda: None
    ) -> Iterator[Event]:
        """Yield a job's events as they happen, up to its final state.

        A connection that breaks is made again; no event is lost or yielded twice.

        Args:
            job_id: the job.
            after: only events whose sequence is above this.
            on_away: called once whenever the service stops answering; its return is waited for.

        Raises:
            ApiError: there is no such job (404); raised at once, before the first event is asked for.
            ConnectionFailed: the service was away for longer than a minute.
        """
        job_id = self.get(job_id).id  # fails at once where there is no such job, or no service
        return follow_events(
            self._connection,
            path_of("jobs", job_id, "events"),
            after=after,
            is_over=lambda: self._is_over(job_id),
            on_away=on_away,
        )

    def logs(self, job_id: str, *, attempt: int | None = None, follow: bool = False) -> Iterator[LogPage]:
        """Yield what an attempt's program wrote to standard error, page by page.

        Args:
            job_id: the job.
            attempt: which attempt, counted from 1; the newest by default.
            follow: go on until the job, or the attempt that was asked for, has ended.

        Raises:
            ApiError: there is no such job or attempt (404).
        """
        job_id = self.get(job_id).id
        if not follow:
            return job_logs.stored(self._connection, job_id, attempt)
        return job_logs.followed(self._connection, job_id, attempt, is_over=lambda: self._is_over(job_id))

    def metrics(
        self, job_id: str, *, name: str | None = None, after_step: int | None = None
    ) -> builtins.list[Metric]:
        """List the numbers a job reported, by step.

        Args:
            job_id: the job.
            name: only this number, such as `loss`.
            after_step: only steps beyond this one.
        """
        path = path_of("jobs", job_id, "metrics")
        return list(lists.metrics(self._connection, path, name=name, after_step=after_step))

    def attempts(self, job_id: str) -> builtins.list[Attempt]:
        """List the attempts of a job, oldest first."""
        return lists.whole(self._connection, path_of("jobs", job_id, "attempts"), Attempt)

    def checkpoints(self, job_id: str) -> builtins.list[Checkpoint]:
        """List the committed checkpoints of a job, newest first."""
        return lists.whole(self._connection, path_of("jobs", job_id, "checkpoints"), Checkpoint)

    def _get(self, job_id: str, **options: Any) -> Job:
        return Job.model_validate(self._connection.request("GET", path_of("jobs", job_id), **options).json())

    def _act(self, job_id: str, action: str) -> Job:
        return Job.model_validate(self._connection.request("POST", path_of("jobs", job_id, action)).json())

    def _is_over(self, job_id: str) -> bool:
        return self._get(job_id, patient=True).is_final

    def _long_poll(self, job_id: str, *, seconds: float) -> Job:
        wait = max(1, round(seconds))
        return self._get(job_id, params={"wait": wait}, timeout=wait + 30, patient=True)


def _scheduling(priority: int, deadline_seconds: float | None) -> dict[str, float]:
    scheduling: dict[str, float] = {"priority": priority} if priority else {}
    return scheduling if deadline_seconds is None else {**scheduling, "deadline_seconds": deadline_seconds}
