"""What the service answers, as the client hands it out: frozen; fields it does not know are ignored."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from signforge.client.errors import JobFailed

FINAL_STATES = frozenset({"succeeded", "failed", "cancelled"})


class Reply(BaseModel):
    """Something the service said."""

    # Schemas are built when they are needed, and fields' docstrings are read by the documentation alone:
    # a command starts faster.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


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

    def raise_for_state(self) -> Self:
        """Return the job if it has succeeded.

        Raises:
            JobFailed: it has not; the message is the job's.
        """
        if self.has_succeeded:
            return self
        why = self.status_message or self.status_reason
        raise JobFailed(f"{self.id} ({self.kind}) is {self.state}{f': {why}' if why else '.'}")


class Attempt(Reply):
    """One worker's try at a job; `outcome` is None while it goes on."""

    attempt: int
    worker: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    message: str | None = None


class Checkpoint(Reply):
    """A committed checkpoint: a state from which its job can continue."""

    id: str
    job_id: str
    attempt: int
    step: int
    size_bytes: int
    pinned: bool
    manifest: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime


class Worker(Reply):
    """A worker and its devices; `job_id` is the job it runs, if that is yours."""

    name: str
    host: str
    process_id: int
    busy: bool
    job_id: str | None = None
    seen_at: datetime
    device: str
    num_devices: int
    capabilities: dict[str, Any] = Field(default_factory=dict)


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
