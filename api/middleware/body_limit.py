"""Middleware that limits the size of request bodies, before reading them where Content-Length is set."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.bounds.body_shape import has_form
from api.problems import Problem
from core.jobs.settings import Settings

_UPLOADS = "/v1/uploads"
_CORPORA = "/v1/corpora"


class BodyLimit:
    """Counts the bytes of a body and refuses the request past its limit.

    FastAPI's own limiter responds in plain text, and replaces earlier refusals such as a 401. Here every
    error is a problem document, so it cannot be used.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit, setting = _limit_of(scope)
        declared = Headers(scope=scope).get("content-length", "")
        received = 0

        async def counted() -> Message:
            nonlocal received
            if declared.isdecimal() and int(declared) > limit:
                raise too_large(int(declared), limit, setting)
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise too_large(None, limit, setting)
            return message

        await self._app(scope, counted, send)


def too_large(size: int | None, limit: int, setting: str) -> Problem:
    """The 413 problem of a body of `size` bytes (None: not declared), with the limit and its setting."""
    has = f"has {size:,} bytes" if size is not None else "is larger than allowed"
    detail = f"The body {has}. The limit is {limit:,} bytes. Raise {setting} on the server, or send less."
    return Problem(413, "too-large", detail, limit_bytes=limit)


def _limit_of(scope: Scope) -> tuple[int, str]:
    settings: Settings = scope["app"].state.settings
    if scope["path"] == _UPLOADS:
        return settings.max_upload_bytes, "SIGNFORGE_MAX_UPLOAD_BYTES"
    if scope["path"] == _CORPORA and has_form(Headers(scope=scope)):  # a file and its specification
        return settings.max_upload_bytes + settings.max_body_bytes, "SIGNFORGE_MAX_UPLOAD_BYTES"
    return settings.max_body_bytes, "SIGNFORGE_MAX_BODY_BYTES"
