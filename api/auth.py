"""Authentication by API key (`Authorization: Bearer sf_<id>_<secret>`) and authorisation by its scopes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.types import Scope as Connection

from api.problems import Problem
from api.service import Service, ServiceOf
from core.jobs.database import now, reading, transaction
from core.jobs.keys import check, note_use, use_is_due
from core.jobs.scopes import Scope

_log = logging.getLogger("signforge.api")

_WHERE = (
    "The command line and the Python client read the key from SIGNFORGE_API_KEY. An administrator makes one "
    "with `signforge keys create`. `signforge up` writes its first API key to the file `api_key` of its data "
    "folder (SIGNFORGE_DATA_FOLDER), where clients on that machine find it."
)


@dataclass(frozen=True)
class Caller:
    """The owner of the API key a request came with."""

    owner: str
    api_key_id: str
    scopes: tuple[str, ...] = ()


_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="api_key",
    bearerFormat="sf_<id>_<secret>",
    description="An API key. " + _WHERE,
)


def allowed(held: Sequence[str], needed: Scope) -> bool:
    """Whether one of the scopes held includes the scope needed."""
    order = list(Scope)
    return any(order.index(scope) >= order.index(needed) for scope in order if scope.value in held)


def caller_of(connection: Connection) -> Caller | None:
    """The authenticated caller of a request (an ASGI scope), whether or not its scopes suffice."""
    caller: Caller | None = connection["state"].get("caller")
    return caller


def _caller_with(needed: Scope) -> Callable[..., Caller]:
    def caller(
        request: Request,
        service: ServiceOf,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    ) -> Caller:
        known = request.state.caller = _identify(service, credentials)
        if not allowed(known.scopes, needed):
            raise forbidden(known.scopes, needed)
        return known

    return caller


def _identify(service: Service, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    if credentials is None:
        raise _unauthorised("This request has no API key: send `Authorization: Bearer sf_...`.")
    token = credentials.credentials
    if not token.startswith("sf_") or token.count("_") < 2:
        raise _unauthorised(
            "This is not an API key: API keys have the form `sf_<id>_<secret>`.", "invalid_token"
        )
    with reading(service.engine) as session:
        row = check(session, token)
        due = row is not None and use_is_due(row, now(session))
    if row is None:
        raise _unauthorised("This API key is unknown, revoked or expired.", "invalid_token")
    if due:
        _note_use(service, row.id)
    return Caller(owner=row.owner, api_key_id=row.id, scopes=tuple(row.scopes))


def _note_use(service: Service, api_key_id: str) -> None:
    """Record when a key was last used. A failure does not fail the request; the next request retries."""
    try:
        with transaction(service.engine) as session:
            note_use(session, api_key_id)
    except (DBAPIError, PoolTimeout) as error:
        _log.warning("Cannot record the last use of API key %s: %s", api_key_id, type(error).__name__)


def _unauthorised(detail: str, error: str | None = None) -> Problem:
    challenge = 'Bearer realm="signforge"' + (
        f', error="{error}", error_description="{detail}"' if error else ""
    )
    return Problem(401, "unauthorised", f"{detail} {_WHERE}", headers={"WWW-Authenticate": challenge})


def forbidden(held: Sequence[str], needed: Scope, *, what: str = "This") -> Problem:
    """The 403 problem of an API key whose scopes do not allow the request."""
    has = ", ".join(held) or "none"
    detail = f"{what} needs an API key with scope {needed.value!r}. This key has: {has}."
    challenge = f'Bearer realm="signforge", error="insufficient_scope", scope="{needed.value}"'
    return Problem(403, "insufficient-scope", detail, headers={"WWW-Authenticate": challenge})


Reader = Annotated[Caller, Depends(_caller_with(Scope.READ))]
"""A caller with scope `read`, who may read what they own."""
Submitter = Annotated[Caller, Depends(_caller_with(Scope.SUBMIT))]
"""A caller with scope `submit`, who may create, cancel and delete."""
Admin = Annotated[Caller, Depends(_caller_with(Scope.ADMIN))]
"""A caller with scope `admin`, who may manage API keys and read the audit trail."""
