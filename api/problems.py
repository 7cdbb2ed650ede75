"""Error responses as RFC 9457 `application/problem+json`: what is wrong, the value, and what to change.

Routes raise `Problem`. The handlers installed here convert `Problem`, the project's error tree, FastAPI's
validation errors and the router's 404 and 405 to this form. An internal error is logged under its request id;
its response has that id and no details.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException as RouterException

from api.operations import methods_at
from api.request_ids import REQUEST_ID_HEADER, request_id_of
from api.validation import MAX_FAULTS, Fault, fault_of, faults_of, is_undeclared_json, shortened
from core.errors import (
    ImpossibleTransition,
    InUse,
    KeyNotRotatable,
    QuotaExceeded,
    SpecError,
    StorageAway,
    StorageError,
    TooLarge,
    UserError,
)

MEDIA_TYPE = "application/problem+json"
_QUOTA_RETRY_SECONDS = "30"
_log = logging.getLogger("signforge.api")
_ROUTER_TYPES = {400: "malformed-request", 404: "not-found", 405: "method-not-allowed"}


class Problem(HTTPException):
    """An error response.

    `name` is the stable last part of the problem's type URI. `members` are extra members of the document.
    """

    def __init__(
        self,
        status_code: int,
        name: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(status_code, detail=detail, headers=dict(headers or {}))
        self.name = name
        self.faults = tuple(faults)
        self.members = members


def not_found(noun: str, identifier: str, *, named: Sequence[str] = ()) -> Problem:
    """The 404 problem of an unknown id. An id of another owner gets the same.

    `named`: ids of what has the unknown id as its name.
    """
    if named:
        return Problem(
            404, "not-found", f"{identifier!r} is the name of your {noun}. Use its id, {named[0]}."
        )
    return Problem(404, "not-found", f"You have no {noun} {identifier!r}.")


def unfit(pointer: str, detail: str, *, code: str = "value_error", location: str = "body") -> Problem:
    """The 422 problem of one invalid field of a request."""
    return invalid([Fault(location=location, pointer=pointer, detail=detail, code=code)])


def invalid(faults: Sequence[Fault], *, count: int | None = None) -> Problem:
    """The 422 problem of invalid fields of a request: the first of them, and how many there are."""
    found = count or len(faults)
    listed = faults[:MAX_FAULTS]
    which = "see `errors`" if found == len(listed) else f"`errors` lists the first {len(listed)}"
    detail = listed[0].detail if found == 1 else f"{found:,} fields are invalid; {which}."
    return Problem(422, "invalid-request", detail, faults=listed)


def invalid_by(error: ValidationError, model: object) -> Problem:
    """The 422 problem of a document that is no valid `model`."""
    found = error.errors(include_url=False, include_context=True)
    return invalid([fault_of(each, model) for each in found[:MAX_FAULTS]], count=len(found))


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    """Return `problem` as the response to `request`."""
    request_id = request_id_of(request.scope)
    document = {
        "type": f"urn:signforge:problem:{problem.name}",
        "title": problem.name.replace("-", " ").capitalize(),
        "status": problem.status_code,
        "detail": shortened(str(problem.detail)),
        "instance": shortened(request.url.path),
        "request_id": request_id,
        "errors": [fault.model_dump() for fault in problem.faults],
        **problem.members,
    }
    headers = {**(problem.headers or {}), REQUEST_ID_HEADER: request_id}
    return JSONResponse(document, problem.status_code, headers, MEDIA_TYPE)


def internal_error_response(request: Request) -> JSONResponse:
    """The 500 response to a request that failed by an internal error."""
    detail = "The service failed to process this request. Its log has the details under this request_id."
    return problem_response(request, Problem(500, "internal-error", detail))


def install(app: FastAPI) -> None:
    """Make `app` return every error as a problem document."""
    for error_type in (RequestValidationError, UserError, StorageError, RouterException):
        app.add_exception_handler(error_type, _handle)
    for outage in (OperationalError, PoolTimeout):
        app.add_exception_handler(outage, _handle_outage)


async def _handle(request: Request, error: Exception) -> JSONResponse:
    return problem_response(request, _problem_of(request, error))


async def _handle_outage(request: Request, error: Exception) -> JSONResponse:
    _log.error("The database does not respond.", exc_info=error)
    detail = "The service's database does not respond. Retry later; /readyz lists what is unavailable."
    return problem_response(request, Problem(503, "unavailable", detail, headers={"Retry-After": "2"}))


def _problem_of(request: Request, error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _validation_problem(request, error)
    if isinstance(error, StorageAway):
        return _storage_problem(request, error)
    if isinstance(error, StorageError):
        return Problem(507, "storage-full", str(error))
    if isinstance(error, UserError):
        return _user_problem(error)
    assert isinstance(error, RouterException)
    return _router_problem(request, error)


def _user_problem(error: UserError) -> Problem:
    if isinstance(error, SpecError):
        return unfit(error.pointer, str(error), code="spec_error")
    if isinstance(error, ImpossibleTransition):
        return Problem(409, "impossible-transition", str(error), state=error.state)
    if isinstance(error, InUse):
        return Problem(409, "in-use", str(error), job_ids=error.job_ids)
    if isinstance(error, KeyNotRotatable):
        return Problem(409, "not-rotatable", str(error))
    if isinstance(error, QuotaExceeded):
        return _quota_problem(error)
    if isinstance(error, TooLarge):
        return Problem(413, "too-large", str(error))
    return Problem(422, "unusable", str(error))


def _storage_problem(request: Request, error: StorageAway) -> Problem:
    _log.error("%s %s", request_id_of(request.scope), error)
    detail = "The service's object store does not respond. Retry later; /readyz lists what is unavailable."
    return Problem(503, "unavailable", detail, headers={"Retry-After": "2"})


def _quota_problem(error: QuotaExceeded) -> Problem:
    if error.passes:
        return Problem(429, "quota-exceeded", str(error), headers={"Retry-After": _QUOTA_RETRY_SECONDS})
    return Problem(413, "quota-exceeded", str(error))


def _validation_problem(request: Request, error: RequestValidationError) -> Problem:
    if is_undeclared_json(error):
        content_type = request.headers.get("content-type", "")
        return Problem(
            415,
            "unsupported-media-type",
            f"The body has Content-Type {content_type!r}. Send JSON with `Content-Type: application/json`.",
        )
    return invalid(faults_of(request, error), count=len(error.errors()))


def _router_problem(request: Request, error: RouterException) -> Problem:
    name = _ROUTER_TYPES.get(error.status_code, f"http-{error.status_code}")
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"The path {request.url.path} does not exist. /docs lists all operations."
    headers = dict(error.headers or {})
    if error.status_code == 405:  # the router names the methods of its first match only
        headers["Allow"] = ", ".join(methods_at(request.app, request.url.path)) or headers["Allow"]
        detail = f"{request.url.path} does not take {request.method}; it takes {headers['Allow']}."
    return Problem(error.status_code, name, detail, headers=headers)
