"""Scheduling options of a job: priority and deadline. What the job does is in its specification."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SchedulingOptions:
    """When a job is claimed and by when it must have ended."""

    priority: int = 0
    """Jobs of higher priority are claimed first."""
    deadline_seconds: float | None = None
    """Seconds from submission. A job that has not ended by then is stopped and fails."""
