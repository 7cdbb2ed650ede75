"""Validation errors in plain words: the field, its value, and near names for misspelt ones."""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict

from core.jobs.kinds import KINDS
from core.specs.faults import fault_sentence, json_pointer


class Fault(BaseModel):
    """One thing wrong with a request."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    location: str
    """Part of the request that has the field: `body`, `query`, `path` or `header`."""
    pointer: str
    """JSON pointer (RFC 6901) of the field within that part. Empty for the whole part."""
    detail: str
    """What is wrong and what to change."""
    code: str
    """Stable identifier of the kind of fault."""


def is_undeclared_json(error: RequestValidationError) -> bool:
    """Whether a body came without a JSON Content-Type, as `curl -d` sends it."""
    return isinstance(error.body, bytes) and any(tuple(found["loc"]) == ("body",) for found in error.errors())


def faults_of(request: Request, error: RequestValidationError) -> list[Fault]:
    """All faults that FastAPI found in a request."""
    return [fault_of(found, _body_type(request)) for found in error.errors()]


def fault_of(found: Mapping[str, Any], body_type: object = None) -> Fault:
    """Convert one pydantic error (an item of `ValidationError.errors()`) to a fault.

    A leading `body` or `query` in its `loc` names the part of the request. `body_type` is the model of the
    body; its fields provide the near names.
    """
    location, path = _where(found["loc"])
    code = str(found["type"])
    if code == "json_invalid":
        detail = f"The body is not JSON: {found['ctx']['error']} at character {path[0] if path else 0}."
        return Fault(location=location, pointer="", detail=detail, code=code)
    if code.startswith("union_tag"):
        return Fault(location=location, pointer="/kind", detail=_kind_detail(found), code=code)
    kind = KINDS.get(str(path[0])) if path and location == "body" else None
    if kind is not None:
        path, body_type = path[1:], kind.spec_type
    detail = _detail(found, body_type, path)
    return Fault(location=location, pointer=json_pointer(path), detail=detail, code=code)


def near(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word: ` Did you mean 'x'?` if a known word is near, else all known words."""
    names = list(known)
    found = difflib.get_close_matches(word, names, n=1)
    return f" Did you mean {found[0]!r}?" if found else f" There are: {', '.join(names)}."


def _where(loc: Sequence[str | int]) -> tuple[str, tuple[str | int, ...]]:
    if loc and loc[0] in ("body", "query", "path", "header"):
        return str(loc[0]), tuple(loc[1:])
    return "body", tuple(loc)


def _kind_detail(found: Mapping[str, Any]) -> str:
    if found["type"] == "union_tag_not_found":
        return f"The body has no `kind`, which names the kind of job. {_kinds()}"
    return f"There is no job kind {found['ctx']['tag']!r}.{near(found['ctx']['tag'], KINDS)}"


def _kinds() -> str:
    return f"There are: {', '.join(KINDS)}."


def _detail(found: Mapping[str, Any], model: object, path: Sequence[str | int]) -> str:
    if found["type"] == "extra_forbidden":
        fields = _fields_at(model, path[:-1])
        hint = near(str(path[-1]), fields) if fields else ""
        return f"There is no field {str(path[-1])!r}.{hint}"
    if found["type"] == "missing":
        return f"{json_pointer(path) or 'The body'} is missing."
    return fault_sentence(found, at=json_pointer(path))


def _fields_at(model: object, path: Sequence[str | int]) -> list[str]:
    for part in path:
        fields = _model_fields(model)
        if part not in fields:
            return []
        model = fields[str(part)].annotation
    return list(_model_fields(model))


def _model_fields(annotation: object) -> Mapping[str, Any]:
    """Fields of a model, also of a model in a union with None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        for member in typing.get_args(annotation):
            if fields := _model_fields(member):
                return fields
    return {}


def _body_type(request: Request) -> object:
    field = getattr(request.scope.get("route"), "body_field", None)
    return getattr(getattr(field, "field_info", None), "annotation", None)
