"""Validation errors in plain words: the field, its value, and near names for misspelt ones."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator

from core.jobs.kinds import KINDS
from core.specs.docstrings import Described
from core.specs.faults import fault_sentence, json_pointer
from core.specs.near_names import hint

MAX_FAULTS = 20
"""How many faults an answer lists. It counts the others."""
_MAX_CHARACTERS = 1000


def shortened(text: str) -> str:
    """A text for an answer or a log, which may quote a request, without its end if it is long."""
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 3] + "..."


Shortened = Annotated[str, AfterValidator(shortened)]


class Fault(Described):
    """One thing wrong with a request."""

    location: str
    """Part of the request that has the field: `body`, `query`, `path` or `header`."""
    pointer: Shortened
    """JSON pointer (RFC 6901) of the field within that part. Empty for the whole part."""
    detail: Shortened
    """What is wrong and what to change."""
    code: str
    """Stable identifier of the kind of fault."""


def is_undeclared_json(error: RequestValidationError) -> bool:
    """Whether a body came without a JSON Content-Type, as `curl -d` sends it."""
    return isinstance(error.body, bytes) and any(tuple(found["loc"]) == ("body",) for found in error.errors())


def faults_of(request: Request, error: RequestValidationError) -> list[Fault]:
    """The first faults that FastAPI found in a request."""
    return [fault_of(found, _body_type(request)) for found in error.errors()[:MAX_FAULTS]]


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
        detail = fault_sentence(found, at="") + ("" if code == "union_tag_invalid" else hint("", KINDS))
        return Fault(location=location, pointer="/kind", detail=detail, code=code)
    kind = KINDS.get(str(path[0])) if path and location == "body" else None
    if kind is not None:
        path, body_type = path[1:], kind.spec_type
    pointer = json_pointer(path)
    at = "" if code == "extra_forbidden" else pointer or "The body" if code == "missing" else pointer
    detail = fault_sentence({**found, "loc": path}, at=at, model=body_type)
    return Fault(location=location, pointer=pointer, detail=detail, code=code)


def _where(loc: Sequence[str | int]) -> tuple[str, tuple[str | int, ...]]:
    if loc and loc[0] in ("body", "query", "path", "header"):
        return str(loc[0]), tuple(loc[1:])
    return "body", tuple(loc)


def _body_type(request: Request) -> object:
    field = getattr(request.scope.get("route"), "body_field", None)
    return getattr(getattr(field, "field_info", None), "annotation", None)
