"""Response bodies about jobs. The docstring under a field is its OpenAPI description."""

from datetime import datetime
from typing import Any, Literal, Self

from api.kind_types import KindName
from api.schemas.base import Sent
from core.jobs.job_kind import Artifact
from core.jobs.kinds import title_of
from core.jobs.states import FINAL, Reason, State
from core.jobs.tables.artifacts import CheckpointRow
from core.jobs.tables.jobs import JobAttemptRow, JobEventRow, JobMetricRow, JobRow


class JobResponse(Sent):
    """A job: its specification, state and result."""

    id: str
    """`job_...`"""
    kind: KindName
    """The kind of job."""
    name: str
    """The corpus or encoder that the job makes. For an evaluation: what is scored, and the protocol.
    For a leak audit: the corpus."""
    state: State
    """State of the job. `succeeded`, `failed` and `cancelled` are final."""
    status_reason: Reason | None
    """Why the job is in its state, from a closed list."""
    status_message: str | None
    """Why the job is in its state, as text."""
    spec: dict[str, Any]
    """The specification, with names replaced by ids."""
    resolved_spec: dict[str, Any] | None
    """The full configuration of a pretraining run: its recipe with `overrides` applied."""
    progress: dict[str, Any] | None
    """Phase, step, total_steps, percent, eta_seconds, step_seconds, samples_per_second and last metrics."""
    queue_position: int | None
    """Position in the queue, 1 for the job that is claimed next. Null unless `state` is `queued`."""
    attempt: int
    """Number of attempts so far. A job whose worker is lost resumes in a new attempt."""
    priority: int
    """Scheduling priority. Jobs of higher priority are claimed first."""
    deadline_at: datetime | None
    """Deadline of the job. A job that has not ended by then is stopped and fails."""
    retry_of: str | None
    """The job that this job retries."""
    num_devices: int
    """Number of devices that a worker must have to claim the job."""
    request_id: str | None
    """Id of the request that submitted the job, as in the service's logs."""
    waits_for: str | None
    """Why no running worker can claim the queued job. Null if one can, and always null in lists."""
    result: dict[str, Any] | None
    """Result of a succeeded job: ids and scores."""
    created_at: datetime
    """When the job was submitted."""
    updated_at: datetime
    """When the job last changed."""
    started_at: datetime | None
    """When the job's program first ran."""
    finished_at: datetime | None
    """When the job reached its final state."""
    links: dict[str, str]
    """URLs of related resources and actions."""

    @classmethod
    def of(cls, row: JobRow, queue_position: int | None, *, waits_for: str | None = None) -> Self:
        """The response body of one row."""
        fields = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        return cls(
            **fields,
            name=title_of(row.kind, row.spec),
            queue_position=queue_position,
            waits_for=waits_for,
            links=_links(row),
        )


class EstimateResponse(Sent):
    """Estimated size, memory and time of a pretraining run."""

    num_parameters: int
    """Trained parameters of both streams."""
    checkpoint_bytes: int
    """Size of each checkpoint. `run.keep_checkpoints` of them are kept."""
    step_memory_bytes: int
    """Approximate peak memory of a training step, on the host or on each device."""
    num_steps: int | None
    """Number of training steps. Null if the clip selection makes it unknown in advance."""
    duration_seconds: float | None
    """Estimated from the newest run of the same network. Null if there is none."""


class DryRunResponse(Sent):
    """The job that a submission would queue. Nothing was queued."""

    kind: KindName
    """The kind of job."""
    spec: dict[str, Any]
    """The specification, with names replaced by ids."""
    resolved_spec: dict[str, Any] | None
    """The full configuration of a pretraining run."""
    queue_position: int | None
    """Position that the job would have in the queue."""
    waits_for: str | None
    """Why no running worker could claim the job. Null if one could."""
    estimate: EstimateResponse | None
    """Estimated size, memory and time of a pretraining run. Null for other kinds."""


class EventResponse(Sent):
    """An event of a job."""

    sequence: int
    """Number of the event within its job, from 1 without gaps."""
    type: Literal["state", "progress", "metric", "checkpoint", "log"]
    """The kind of event, which determines the fields of `data`."""
    data: dict[str, Any]
    """`state`: from, to, reason, message, attempt. `progress`: phase, step, total_steps, percent,
    eta_seconds, step_seconds, samples_per_second, metrics. `metric`: step, metrics.
    `checkpoint`: id, step, size_bytes. `log`: message."""
    created_at: datetime
    """When the event happened."""


class EventPage(Sent):
    """Events of a job, oldest first."""

    data: list[EventResponse]
    """The events."""
    next_after: int
    """`after` of the next page."""
    has_more: bool
    """Whether more are available now."""


class MetricResponse(Sent):
    """The value of one metric at one step."""

    name: str
    """Name of the metric, such as `loss`."""
    step: int
    """Number of steps done when it was measured."""
    value: float
    """The metric's value."""
    attempt: int
    """The attempt that reported the value. The value of a later attempt replaces that of an earlier one."""


class MetricList(Sent):
    """Metrics of a job by step and name."""

    data: list[MetricResponse]
    """The values, by step and name."""
    next_after_step: int
    """`after_step` of the next page."""
    has_more: bool
    """Whether more are available now."""


class CheckpointResponse(Sent):
    """A committed checkpoint: a saved training state from which the job can resume."""

    id: str
    """`ckp_...`"""
    job_id: str
    """The job that the checkpoint belongs to."""
    attempt: int
    """The attempt that wrote the checkpoint."""
    step: int
    """Number of steps done."""
    size_bytes: int
    """Total size of its files."""
    manifest: dict[str, Any]
    """Its files with size and sha256, and the run they belong to."""
    pinned: bool
    """Whether it is kept regardless of the run's retention rules."""
    created_at: datetime
    """When the checkpoint was committed."""

    @classmethod
    def of(cls, row: CheckpointRow) -> Self:
        """The response body of one row."""
        return cls.model_validate(row)


class CheckpointList(Sent):
    """Checkpoints of a job, newest first."""

    data: list[CheckpointResponse]
    """The checkpoints."""


class AttemptResponse(Sent):
    """One attempt of a worker to run a job."""

    attempt: int
    """Number of the attempt, from 1."""
    worker: str
    """The worker that claimed the job."""
    started_at: datetime
    """When the job was claimed."""
    ended_at: datetime | None
    """When the attempt ended. Null while it runs."""
    outcome: str | None
    """How the attempt ended."""
    message: str | None
    """Why it ended so, as text."""


class AttemptList(Sent):
    """Attempts of a job, oldest first."""

    data: list[AttemptResponse]
    """The attempts."""


def event_of(row: JobEventRow) -> EventResponse:
    """The response body of one row."""
    return EventResponse.model_validate(row)


def metric_of(row: JobMetricRow) -> MetricResponse:
    """The response body of one row."""
    return MetricResponse.model_validate(row)


def attempt_of(row: JobAttemptRow) -> AttemptResponse:
    """The response body of one row."""
    return AttemptResponse.model_validate(row)


def _links(row: JobRow) -> dict[str, str]:
    here = f"/v1/jobs/{row.id}"
    links = {
        "self": here,
        **{part: f"{here}/{part}" for part in ("events", "logs", "metrics", "checkpoints", "attempts")},
    }
    if State(row.state) not in FINAL:
        links["cancel"] = f"{here}/cancel"
    else:
        links["retry"] = f"{here}/retry"
    if row.retry_of:
        links["retry_of"] = f"/v1/jobs/{row.retry_of}"
    result = row.result or {}
    for artifact in Artifact:
        if identifier := result.get(f"{artifact.noun}_id"):
            links[artifact.noun] = f"/v1/{artifact.value}/{identifier}"
    if "encoder" in links:
        links["download"] = f"{links['encoder']}/download"
    return links
