"""Scheduling options as query parameters: priority and deadline of a submission."""

from typing import Annotated

from fastapi import Depends, Query

from api.auth import Submitter, allowed, forbidden
from core.jobs.scheduling import SchedulingOptions
from core.jobs.scopes import Scope
from core.specs.fields import Seconds


def _scheduling(
    caller: Submitter,
    priority: Annotated[
        int,
        Query(
            ge=-100,
            le=100,
            description="Jobs of higher priority are claimed first, across all owners. Values above 0 need "
            "an API key with scope `admin`.",
        ),
    ] = 0,
    deadline_seconds: Annotated[
        Seconds | None,
        Query(
            description="Deadline in seconds from now. A job that has not ended by then saves a checkpoint, "
            "stops and fails. A retry resumes from that checkpoint.",
        ),
    ] = None,
) -> SchedulingOptions:
    if priority > 0 and not allowed(caller.scopes, Scope.ADMIN):
        raise forbidden(caller.scopes, Scope.ADMIN, what=f"Priority {priority}, above 0,")
    return SchedulingOptions(priority, deadline_seconds)


SchedulingOf = Annotated[SchedulingOptions, Depends(_scheduling)]
"""The scheduling options of a request."""
