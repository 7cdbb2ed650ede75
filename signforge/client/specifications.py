"""Checking a job's specification before it is sent."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from core.errors import SpecError
from core.specs.near_names import hint

if TYPE_CHECKING:
    from pydantic import BaseModel

    from core.specs.jobs import JobSpec

ModelT = TypeVar("ModelT", bound="BaseModel")

Spec: TypeAlias = "JobSpec | Mapping[str, Any]"
"""A job's specification: a model of `core.specs.jobs`, or the JSON document that `POST /v1/jobs` takes."""


def checked(spec: Spec) -> dict[str, Any]:
    """The specification as a complete JSON document.

    Raises:
        SpecError: a field is unknown, missing or out of its limits; `pointer` says which.
    """
    from pydantic import ValidationError

    from core.jobs.kinds import spec_adapter  # slow to import, and most calls send no specification

    try:
        return spec_adapter().validate_python(spec).model_dump(mode="json")
    except ValidationError as error:
        raise _spec_error(error.errors()[0]) from None


def checked_model(model: type[ModelT], fields: Mapping[str, Any]) -> ModelT:
    """A model of `fields`, for commands that need no service.

    Raises:
        SpecError: a field is unknown, missing or out of its limits; `pointer` says which.
    """
    from pydantic import ValidationError

    from core.specs.faults import fault_sentence, json_pointer

    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = json_pointer(first["loc"])
        raise SpecError(fault_sentence(first, at=place, model=model), pointer=place) from None


def _spec_error(first: Mapping[str, Any]) -> SpecError:
    from core.jobs.kinds import KINDS
    from core.specs.faults import fault_sentence, json_pointer

    if first["type"].startswith("union_tag"):
        listing = hint("", KINDS) if first["type"] == "union_tag_not_found" else ""
        return SpecError(f"{fault_sentence(first, at='/kind')}{listing}", pointer="/kind")
    kind, *path = first["loc"] or [""]  # the kind of job is not part of the document
    spec_type = KINDS[str(kind)].spec_type if kind in KINDS else None
    place = json_pointer(path)
    return SpecError(fault_sentence({**first, "loc": tuple(path)}, at=place, model=spec_type), pointer=place)
