"""The events of a job, as `client.jobs.events` yields them."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from signforge.client.models import FINAL_STATES, Progress, Reply


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

event_adapter: TypeAdapter[Event] = TypeAdapter(
    Annotated[Event, Field(discriminator="type")],
    config=ConfigDict(defer_build=True),  # most commands read no events
)
EVENT_TYPES = frozenset({"state", "progress", "metric", "checkpoint", "log"})
