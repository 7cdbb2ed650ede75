"""Checking a job's specification before it is sent."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from core.errors import SpecError
from core.jobs.kinds import spec_adapter
from core.specs.faults import fault_sentence, json_pointer
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
        path = first["loc"][1:]  # it begins with the kind of job, which is not part of the document
        unknown_kind = not path and first["type"] != "value_error"
        place = "/kind" if unknown_kind else json_pointer(path)
        raise SpecError(fault_sentence(first, at=place), pointer=json_pointer(path)) from None
