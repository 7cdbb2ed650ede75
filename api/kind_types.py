"""Pydantic types of request bodies and fields that follow the registry of job kinds.

FastAPI and pydantic build types once, when modules are imported. These types read the registry at each
validation and each schema generation, so kinds that are registered later are included.
"""

from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from core.jobs.kinds import KINDS, spec_adapter
from core.specs.jobs import JobSpec


class _OfAnyKind:
    """A specification of any registered kind."""

    @staticmethod
    def __get_pydantic_core_schema__(_source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_read_spec)

    @staticmethod
    def __get_pydantic_json_schema__(_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(spec_adapter().core_schema)


class _Kind:
    """The name of a kind, not validated: a stored job may be of a kind that this process does not know."""

    @staticmethod
    def __get_pydantic_json_schema__(_schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": list(KINDS)}


class _RegisteredKind(_Kind):
    """The name of a kind, validated to be registered."""

    @staticmethod
    def __get_pydantic_core_schema__(_source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_registered, handler(str))


def _read_spec(document: Any) -> JobSpec:
    return spec_adapter().validate_python(document)


def _registered(name: str) -> str:
    if name not in KINDS:
        *others, last = map(repr, KINDS)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
    return name


SubmittedSpec = Annotated[JobSpec, _OfAnyKind()]
"""The body of a submission."""
KindFilter = Annotated[str, _RegisteredKind()]
"""A kind in a request's filter."""
KindName = Annotated[str, _Kind()]
"""A kind in a response."""
