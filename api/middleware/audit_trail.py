"""Middleware that writes an audit entry for every changing request, also for refused ones."""

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import caller_of
from api.request_ids import request_id_of
from core.jobs.audit_trail import Change
from core.jobs.keys import without_secrets

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CLIENT_DISCONNECTED = 499
_INTERNAL_ERROR = 500


class AuditTrail:
    """Writes the entry after the status is known and before the response is sent.

    So a client that has its response finds the entry in the trail. The change is committed by then: if the
    entry cannot be written, it goes to the log and the response is sent unchanged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in _CHANGING:
            await self._app(scope, receive, send)
            return
        answered = False

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                answered = True
                location = Headers(raw=message["headers"]).get("location")
                await _note(scope, message["status"], location)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if not answered:
                disconnected = isinstance(error, ClientDisconnect)
                await _note(scope, _CLIENT_DISCONNECTED if disconnected else _INTERNAL_ERROR, None)
            raise


async def _note(scope: Scope, status: int, location: str | None) -> None:
    route = scope.get("route")
    if route is not None:  # an unknown path has nothing that could be changed
        service = scope["app"].state.service
        await service.audit.write(service.engine, _change(scope, str(route.name), status, location))


def _change(scope: Scope, action: str, status: int, location: str | None) -> Change:
    caller, client = caller_of(scope), scope.get("client")
    return Change(
        action=action,
        resource=without_secrets(location or scope["path"]),
        request_id=request_id_of(scope),
        status=status,
        owner=caller.owner if caller else None,
        api_key_id=caller.api_key_id if caller else None,
        client_address=client[0] if client else None,
    )
