"""What the API sends about jobs. The docstring under a field is its OpenAPI description."""

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
    """A job: what is asked, and where it stands."""

    id: str
    """`job_...`"""
    kind: KindName
    """What kind of job it is."""
    name: str
    """The corpus or encoder it makes; for an evaluation, what is scored
    and how; for a leak audit, the corpus."""
    state: State
    """Where it is in its life; `succeeded`, `failed` and `cancelled` are final."""
    status_reason: Reason | None
    """Why it is in its state, from a closed list."""
    status_message: str | None
    """The same for a person."""
    spec: dict[str, Any]
    """The specification, with names replaced by ids."""
    resolved_spec: dict[str, Any] | None
    """The full configuration of a pretraining run: its recipe with the overrides laid over it."""
    progress: dict[str, Any] | None
    """Phase, step, total_steps, percent, eta_seconds, samples_per_second and the last metrics."""
    queue_position: int | None
    """1 for the job that is claimed next; null unless queued."""
    attempt: int
    """Attempts so far; a job whose worker is lost is resumed in a new one."""
    priority: int
    """Higher ones are claimed first."""
    deadline_at: datetime | None
    """When it is stopped and fails, if it has not ended by then."""
    retry_of: str | None
    """The job whose work this one does again."""
    num_devices: int
    """Devices that a worker must offer."""
    request_id: str | None
    """The request that submitted it, as the logs know it."""
    waits_for: str | None
    """Why no worker that is up can take it, if it is queued and that is so; not told in lists."""
    result: dict[str, Any] | None
    """What a succeeded job made: ids and scores."""
    created_at: datetime
    """When it was submitted."""
    updated_at: datetime
    """When it last changed."""
    started_at: datetime | None
    """When its program first ran."""
    finished_at: datetime | None
    """When it reached its final state."""
    links: dict[str, str]
    """Where to go from here."""

    @classmethod
    def of(cls, row: JobRow, queue_position: int | None, *, waits_for: str | None = None) -> Self:
        """The job of one row."""
        fields = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        return cls(
            **fields,
            name=title_of(row.kind, row.spec),
            queue_position=queue_position,
            waits_for=waits_for,
            links=_links(row),
        )


class EstimateResponse(Sent):
    """What a pretraining run would weigh and take."""

    num_parameters: int
    """Trained parameters, of both streams."""
    checkpoint_bytes: int
    """Size of each checkpoint; `run.keep_checkpoints` of them are kept."""
    step_memory_bytes: int
    """Peak memory of a training step, on the host or on each device, roughly."""
    num_steps: int | None
    """Steps to take; null where the selection of clips does not tell beforehand."""
    duration_seconds: float | None
    """From the speed of the newest run of the same network; null where there was none."""


class DryRunResponse(Sent):
    """What a submission would have made; nothing was."""

    kind: KindName
    """What kind of job it would be."""
    spec: dict[str, Any]
    """The specification, with names replaced by ids."""
    resolved_spec: dict[str, Any] | None
    """The full configuration of a pretraining run."""
    queue_position: int | None
    """Where it would stand in line."""
    waits_for: str | None
    """Why no worker that is up could take it, if that is so."""
    estimate: EstimateResponse | None
    """What a pretraining run would weigh and take."""


class EventResponse(Sent):
    """Something that happened to a job."""

    sequence: int
    """Counts from 1 without gaps within a job."""
    type: Literal["state", "progress", "metric", "checkpoint", "log"]
    """What `data` holds."""
    data: dict[str, Any]
    """`state`: from, to, reason, message, attempt. `progress`: phase, step, total_steps, percent,
    eta_seconds, step_seconds, samples_per_second, metrics. `metric`: step, metrics.
    `checkpoint`: id, step, size_bytes. `log`: message."""
    created_at: datetime
    """When it happened."""


class EventPage(Sent):
    """Events of a job, oldest first."""

    data: list[EventResponse]
    """The events."""
    next_after: int
    """Send it as `after` to get those that follow."""
    has_more: bool
    """Whether more follow already."""


class MetricResponse(Sent):
    """One number at one step."""

    name: str
    """Which number, such as `loss`."""
    step: int
    """After how many steps."""
    value: float
    """The number."""
    attempt: int
    """The attempt that reported it; a later attempt's number replaces an earlier one's."""


class MetricList(Sent):
    """Numbers of a job by name and step."""

    data: list[MetricResponse]
    """The numbers, by step and name."""
    next_after_step: int
    """Send it as `after_step` to get those that follow."""
    has_more: bool
    """Whether more follow already."""


class CheckpointResponse(Sent):
    """A committed checkpoint: a state from which the job can go on."""

    id: str
    """`ckp_...`"""
    job_id: str
    """The job it belongs to."""
    attempt: int
    """The attempt that wrote it."""
    step: int
    """Steps done."""
    size_bytes: int
    """Size of its files together."""
    manifest: dict[str, Any]
    """Its files with bytes and sha256, and what they belong to."""
    pinned: bool
    """Whether it stays, whatever the run does not ask to keep."""
    created_at: datetime
    """When it was committed."""

    @classmethod
    def of(cls, row: CheckpointRow) -> Self:
        """The checkpoint of one row."""
        return cls.model_validate(row)


class CheckpointList(Sent):
    """Checkpoints of a job, newest first."""

    data: list[CheckpointResponse]
    """The checkpoints."""


class AttemptResponse(Sent):
    """One worker's go at a job."""

    attempt: int
    """Counts from 1."""
    worker: str
    """The worker that claimed it."""
    started_at: datetime
    """When it was claimed."""
    ended_at: datetime | None
    """When it ended; null while it goes on."""
    outcome: str | None
    """How it ended."""
    message: str | None
    """More about that, for a person."""


class AttemptList(Sent):
    """Attempts of a job, oldest first."""

    data: list[AttemptResponse]
    """The attempts."""


def event_of(row: JobEventRow) -> EventResponse:
    """The event of one row."""
    return EventResponse.model_validate(row)


def metric_of(row: JobMetricRow) -> MetricResponse:
    """The number of one row."""
    return MetricResponse.model_validate(row)


def attempt_of(row: JobAttemptRow) -> AttemptResponse:
    """The attempt of one row."""
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
