"""What the service answers, as the client hands it out: frozen; fields it does not know are ignored."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FINAL_STATES = frozenset({"succeeded", "failed", "cancelled"})


class Reply(BaseModel):
    """Something the service said."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Progress(Reply):
    """How far a job is."""

    phase: str | None = None
    step: int | None = None
    total_steps: int | None = None
    percent: float | None = None
    eta_seconds: float | None = None
    samples_per_second: float | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)


class Job(Reply):
    """A job: what was asked, where it stands and what came of it."""

    id: str
    kind: str
    state: str
    name: str | None = None
    status_reason: str | None = None
    status_message: str | None = None
    spec: dict[str, Any] = Field(default_factory=dict)
    resolved_spec: dict[str, Any] | None = None
    progress: Progress | None = None
    queue_position: int | None = None
    attempt: int = 0
    priority: int = 0
    deadline_at: datetime | None = None
    retry_of: str | None = None
    waits_for: str | None = None
    result: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended, one way or another."""
        return self.state in FINAL_STATES

    @property
    def has_succeeded(self) -> bool:
        """Whether the job has ended well."""
        return self.state == "succeeded"


class LogPiece(Reply):
    """A piece of a program's log; `remark` is the line to show where bytes before it were left out."""

    offset: int
    text: str
    left_out_bytes: int = 0
    remark: str | None = None
    created_at: datetime | None = None


class LogPage(Reply):
    """A part of the log of one attempt."""

    data: list[LogPiece]
    attempt: int
    newest_attempt: int
    next_offset: int
    has_more: bool
    is_over: bool


class Upload(Reply):
    """A file that was sent, ready to be imported."""

    id: str
    filename: str
    size_bytes: int
    sha256: str


class Corpus(Reply):
    """A packed corpus; `summary` counts its clips, frames, labels, signers and splits."""

    id: str
    name: str
    job_id: str | None = None
    digest: str | None = None
    summary: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime


class Evaluation(Reply):
    """Scores of features on a corpus by one protocol."""

    id: str
    job_id: str | None = None
    encoder_id: str | None = None
    corpus_id: str
    features: str
    protocol: str
    folds: str
    scores: dict[str, Any]
    created_at: datetime


class RegisteredEncoder(Reply):
    """A trained encoder that can be downloaded."""

    id: str
    name: str
    version: int
    job_id: str | None = None
    corpus_id: str | None = None
    sha256: str
    size_bytes: int
    card: dict[str, Any] = Field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()
    created_at: datetime


class Recipe(Reply):
    """A named configuration and what to expect of it."""

    name: str
    summary: str
    hardware: str
    hours: str
    expected: str
    config: dict[str, Any] = Field(default_factory=dict)


class Metric(Reply):
    """One number of a job at one step."""

    name: str
    step: int
    value: float | None


class ApiKey(Reply):
    """A credential; `api_key` is there once, in the answer that made it."""

    id: str
    owner: str
    name: str | None = None
    scopes: tuple[str, ...]
    api_key: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None


class Webhook(Reply):
    """Where state changes are told; `secret` is there once, in the answer that made it."""

    id: str
    url: str
    secret: str | None = None
    created_at: datetime
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None


class WebhookDelivery(Reply):
    """A message of a webhook, and what became of it."""

    id: str
    type: str
    state: str
    attempts: int
    status: int | None = None
    error: str | None = None
    payload: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime
    next_at: datetime | None = None
    delivered_at: datetime | None = None


class StateChange(Reply):
    """What a `state` event says."""

    origin: Annotated[str | None, Field(alias="from")] = None
    target: Annotated[str, Field(alias="to")]
    reason: str | None = None
    message: str | None = None
    attempt: int | None = None


class StepMetrics(Reply):
    """What a `metric` event says."""

    step: int
    metrics: dict[str, float | None]


class CommittedCheckpoint(Reply):
    """What a `checkpoint` event says."""

    id: str
    step: int
    size_bytes: int | None = None


class LogLine(Reply):
    """What a `log` event says."""

    message: str


class StateEvent(Reply):
    """The job changed its state."""

    type: Literal["state"] = "state"
    sequence: int
    data: StateChange

    @property
    def is_final(self) -> bool:
        """Whether this is the job's last state."""
        return self.data.target in FINAL_STATES


class ProgressEvent(Reply):
    """The job got further."""

    type: Literal["progress"] = "progress"
    sequence: int
    data: Progress


class MetricEvent(Reply):
    """The job reported numbers."""

    type: Literal["metric"] = "metric"
    sequence: int
    data: StepMetrics


class CheckpointEvent(Reply):
    """The job committed a checkpoint."""

    type: Literal["checkpoint"] = "checkpoint"
    sequence: int
    data: CommittedCheckpoint


class LogEvent(Reply):
    """The job says something in words."""

    type: Literal["log"] = "log"
    sequence: int
    data: LogLine


Event = StateEvent | ProgressEvent | MetricEvent | CheckpointEvent | LogEvent
"""Something that happened to a job."""

event_adapter: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
EVENT_TYPES = frozenset({"state", "progress", "metric", "checkpoint", "log"})
