"""Request ids: a new id for every request, in a response header, in each problem and in the log."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.jobs.identifiers import new_id
from core.jobs.keys import without_secrets
from core.jobs.log_lines import about

REQUEST_ID_HEADER = "X-Request-Id"
Observe = Callable[[Scope, int | None, float], None]
_MAX_PATH = 500
"""Characters of a path that are logged."""
_JOB_ID = re.compile("job_[0-9a-f]{1,64}")
_log = logging.getLogger("signforge.api")


def request_id_of(scope: Scope) -> str:
    """The id of the request that `scope` belongs to."""
    return str(scope["state"]["request_id"])


class RequestIds:
    """Middleware that assigns request ids, logs each request and handles internal errors.

    `answer_internal_error` builds the response to an internal error. `observe` gets the status and the
    seconds until the response began.
    """

    def __init__(
        self, app: ASGIApp, *, answer_internal_error: Callable[[Request], Response], observe: Observe
    ) -> None:
        self._app = app
        self._answer_internal_error = answer_internal_error
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.setdefault("state", {})["request_id"] = new_id("req")
        with about(request_id=request_id):
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send)
        began = time.perf_counter()
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            _log.info("The client disconnected.")
        except Exception:
            _log.exception("The request failed.")
            if answer.status is not None:
                raise  # too late for another response: the server must close the connection
            await self._answer_internal_error(Request(scope))(scope, receive, answer.send)
        ended = time.perf_counter()
        self._observe(scope, answer.status, (answer.began or ended) - began)
        asked = without_secrets(f"{scope['method']} {scope['path'][:_MAX_PATH]}")
        line = (asked, answer.status or "aborted", 1000 * (ended - began))
        _log.info("%s %s %.1f ms", *line, extra={"about": _about(scope)})


def _about(scope: Scope) -> dict[str, Any]:
    """The job id in the path, if it has one. Other text is left out: it may be an API key or forge a line."""
    job_id = str(scope.get("path_params", {}).get("job_id", ""))
    return {"job_id": job_id} if _JOB_ID.fullmatch(job_id) else {}


class _Answer:
    """Adds the request id to a response, and records its status and when it began."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.status: int | None = None
        self.began: float | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.began = message["status"], time.perf_counter()
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id_of(self._scope)
        await self._send(message)
