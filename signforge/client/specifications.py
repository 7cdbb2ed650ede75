"""Checking a job's specification before it is sent."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from core.errors import SpecError
from core.jobs.kinds import spec_adapter
from core.specs.jobs import JobSpec

Spec = JobSpec | Mapping[str, Any]
"""A job's specification: a model of `core.specs.jobs`, or the JSON document that `POST /v1/jobs` takes."""


def checked(spec: Spec) -> dict[str, Any]:
    """The specification as a complete JSON document.

    Raises:
        SpecError: a field is unknown, missing or out of its limits; `pointer` says which.
    """
    try:
        return spec_adapter().validate_python(spec).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        # The first part of a location is the kind of job, which is not part of the document.
        pointer = "".join(f"/{part}" for part in first["loc"][1:])
        # Fields that do not go together have no place of their own; a kind that is none has one.
        place = pointer or ("" if first["type"] == "value_error" else "/kind")
        message = first["msg"].removeprefix("Value error, ")
        got = "" if isinstance(first["input"], Mapping) else f" (got {first['input']!r})"
        raise SpecError(f"{place}: {message}{got}.".removeprefix(": "), pointer=pointer) from None
