"""What the client raises besides the errors of `core.errors`."""

from dataclasses import dataclass
from typing import Any

import httpx

from core.errors import SignforgeError

BUSY = frozenset({429, 503})
"""Statuses with which a service asks to try again later."""


@dataclass(frozen=True)
class Fault:
    """One field that the service refused: its JSON pointer and why."""

    pointer: str
    detail: str


class ApiError(SignforgeError):
    """The service answered with a problem (RFC 9457)."""

    def __init__(
        self, status: int, *, title: str, detail: str, request_id: str | None, faults: tuple[Fault, ...] = ()
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.faults = faults
        super().__init__(_sentence(self))

    def followed_by(self, hint: str) -> "ApiError":
        """The same error with a hint behind its detail."""
        return type(self)(
            self.status,
            title=self.title,
            detail=f"{self.detail}{hint}",
            request_id=self.request_id,
            faults=self.faults,
        )

    @property
    def pointers(self) -> tuple[str, ...]:
        """JSON pointers of the fields that were refused."""
        return tuple(fault.pointer for fault in self.faults)


class Unavailable(ApiError):  # noqa: N818 - reads as the sentence it prints
    """The service answered that it cannot at the moment (429, 503)."""


class ConnectionFailed(SignforgeError):  # noqa: N818 - reads as the sentence it prints
    """The service cannot be reached."""


class WaitTimedOut(SignforgeError):  # noqa: N818 - reads as the sentence it prints
    """A job did not end within the time given; it goes on running."""


class JobFailed(SignforgeError):  # noqa: N818 - reads as the sentence it prints
    """A job has not succeeded: it failed or was cancelled, or goes on."""


class ServiceError(SignforgeError):
    """The embedded service cannot start or keep running."""


def problem_of(response: httpx.Response) -> ApiError:
    """Read the error that `response` (whose body has been read) carries, whatever its shape."""
    body = _object(response)
    kind = Unavailable if response.status_code in BUSY else ApiError
    title = str(body.get("title") or response.reason_phrase or "Error")
    return kind(
        response.status_code,
        title=title,
        detail=str(body.get("detail") or response.text[:500] or title),
        request_id=body.get("request_id") or response.headers.get("x-request-id"),
        faults=tuple(
            Fault(str(fault.get("pointer", "")), str(fault.get("detail", "")))
            for fault in body.get("errors") or ()
            if isinstance(fault, dict)
        ),
    )


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _sentence(error: ApiError) -> str:
    faults = "; ".join(
        f"{fault.pointer}: {fault.detail}" for fault in error.faults if fault.detail not in error.detail
    )
    reference = f" (request {error.request_id})" if error.request_id and error.status >= 500 else ""
    return f"{error.detail}{' ' + faults if faults else ''}{reference}"
