"""Authentication by API key (`Authorization: Bearer sf_<id>_<secret>`) and authorisation by its scopes.

Routes are `Route`s: the caller is known before anything else of a request is read, its body included.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from inspect import iscoroutinefunction
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.types import Scope as Connection

from api.bounds.body_shape import BoundedRequest
from api.bounds.url_rules import refuse_null_characters, refuse_unknown_parameters
from api.known_keys import Caller
from api.problems import Problem
from api.service import Service, service_of
from core.jobs.database import now, reading, transaction
from core.jobs.keys import check, note_use, use_is_due
from core.jobs.scopes import Scope

_log = logging.getLogger("signforge.api")

_WHERE = (
    "The command line and the Python client read the key from SIGNFORGE_API_KEY. An administrator makes one "
    "with `signforge keys create`. `signforge up` writes its first API key to the file `api_key` of its data "
    "folder (SIGNFORGE_DATA_FOLDER), where clients on that machine find it."
)
SECURITY_SCHEME = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "sf_<id>_<secret>",
        "description": "An API key. " + _WHERE,
    }
}
"""How a request authenticates, as an OpenAPI Security Scheme Object."""


class Route(APIRoute):
    """A route that authenticates first. Without a valid API key, no part of a request is validated.

    The checks are here and not in dependencies, because FastAPI solves these after it has read the body, and
    because each dependency costs a poll some percent of its time.

    A GET whose function is no coroutine takes one of the turns for long reads. One that may wait for another
    machine must be a coroutine: two of them would keep all others waiting.
    """

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """FastAPI's own handler, after authentication and checks of the URL."""
        handle = super().get_route_handler()
        has_body = self.body_field is not None
        reads_long = "GET" in (self.methods or ()) and not iscoroutinefunction(self.endpoint)

        async def authenticated(request: Request) -> Response:
            caller = request.state.caller = await _authenticate(request)
            refuse_unknown_parameters(request)
            refuse_null_characters(request)
            if has_body:
                bounded = BoundedRequest(request.scope, request.receive)
                await bounded.body()  # here: FastAPI would answer 400 to a client that went away
                return await handle(bounded)
            if not reads_long:
                return await handle(request)
            async with (await service_of(request)).long_reads.turn(caller.owner):
                return await handle(request)

        return authenticated


def allowed(held: Sequence[str], needed: Scope) -> bool:
    """Whether one of the scopes held includes the scope needed."""
    order = list(Scope)
    return any(order.index(scope) >= order.index(needed) for scope in order if scope.value in held)


def caller_of(connection: Connection) -> Caller | None:
    """The authenticated caller of a request (an ASGI scope), whether or not its scopes suffice."""
    caller: Caller | None = connection["state"].get("caller")
    return caller


def forbidden(held: Sequence[str], needed: Scope, *, what: str = "This") -> Problem:
    """The 403 problem of an API key whose scopes do not allow the request."""
    has = ", ".join(held) or "none"
    detail = f"{what} needs an API key with scope {needed.value!r}. This key has: {has}."
    challenge = f'Bearer realm="signforge", error="insufficient_scope", scope="{needed.value}"'
    return Problem(403, "insufficient-scope", detail, headers={"WWW-Authenticate": challenge})


async def _authenticate(request: Request) -> Caller:
    """The caller of a request, from memory if its key was checked moments ago.

    Raises:
        Problem: the request has no API key or an invalid one (401).
    """
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not token:
        raise _unauthorised("This request has no API key: send `Authorization: Bearer sf_...`.")
    if not token.startswith("sf_") or token.count("_") < 2:
        raise _unauthorised(
            "This is not an API key: API keys have the form `sf_<id>_<secret>`.", "invalid_token"
        )
    service = await service_of(request)
    digest = hashlib.sha256(token.encode()).digest()
    if (known := service.known_keys.find(digest)) is not None:
        return known
    return await to_thread.run_sync(_check, service, token, digest)


def _check(service: Service, token: str, digest: bytes) -> Caller:
    begun = service.known_keys.begin_check()
    with reading(service.engine) as session:
        row = check(session, token)
        at = now(session)
    if row is None:
        raise _unauthorised("This API key is unknown, revoked or expired.", "invalid_token")
    if use_is_due(row, at):
        _note_use(service, row.id)
    caller = Caller(owner=row.owner, api_key_id=row.id, scopes=tuple(row.scopes))
    expires_in = (row.expires_at - at).total_seconds() if row.expires_at else None
    service.known_keys.remember(digest, caller, begun=begun, expires_in=expires_in)
    return caller


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


def caller_with(request: Request, needed: Scope) -> Caller:
    """The caller of a request, who must have a scope.

    Raises:
        Problem: the caller's API key does not have it (403).
    """
    known = caller_of(request.scope)
    assert known is not None, "the route is no api.auth.Route"
    if not allowed(known.scopes, needed):
        raise forbidden(known.scopes, needed)
    return known


def _dependency(needed: Scope) -> Callable[..., Any]:
    async def caller(request: Request) -> Caller:
        return caller_with(request, needed)

    return caller


Reader = Annotated[Caller, Depends(_dependency(Scope.READ))]
"""A caller with scope `read`, who may read what they own."""
Submitter = Annotated[Caller, Depends(_dependency(Scope.SUBMIT))]
"""A caller with scope `submit`, who may create, cancel and delete."""
Admin = Annotated[Caller, Depends(_dependency(Scope.ADMIN))]
"""A caller with scope `admin`, who may manage API keys and read the audit trail."""
