"""One HTTP connection to the service: problems become exceptions, broken connections are tried again."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from signforge.client.address import Address
from signforge.client.errors import BUSY, ConnectionFailed, Unavailable, problem_of

Sleep = Callable[[float], None]
AWAY = (httpx.TransportError, Unavailable)
"""What a service that may come back leaves one with."""

_WAITS_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""Before the second, third ... try of a request that is safe to repeat."""
PATIENT_WAITS_SECONDS = (*_WAITS_SECONDS, *itertools.repeat(_WAITS_SECONDS[-1], 28))
"""The same for whoever has waited for hours already: a minute in all, long enough for a restart."""
_LONGEST_RETRY_AFTER_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_TIMEOUT = httpx.Timeout(60.0, connect=_CONNECT_SECONDS)
_REFUSED_SECONDS = 1.0
"""Where nobody listens, longer waits than this are not worth a person's time."""


class Connection:
    """Sends requests to one service.

    A request counts as safe to repeat unless its sender says otherwise, as for a creation without an
    idempotency key; such a one is tried once. `sleep` is what waits between tries.
    """

    def __init__(self, address: Address, *, sleep: Sleep = time.sleep) -> None:
        self.address = address
        self.sleep = sleep
        self._http = httpx.Client(
            base_url=address.url,
            headers={"Authorization": f"Bearer {address.api_key}"} if address.api_key else {},
            timeout=_TIMEOUT,
            trust_env=not address.is_local,
        )

    def close(self) -> None:
        """Let go of the sockets."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool = True,
        patient: bool = False,
        content: Callable[[], Iterator[bytes]] | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Send a request and return the answer, whose status is below 400.

        `patient` tries for a minute, through a restart of the service, instead of for a few seconds;
        `content` makes the body afresh for each try; `timeout` is in seconds; `options` go to httpx.

        Raises:
            ApiError: the service answered with a problem.
            ConnectionFailed: it did not answer.
        """
        if timeout is not None:
            options["timeout"] = httpx.Timeout(timeout, connect=_CONNECT_SECONDS)
        for wait in _waits_before_giving_up(repeatable, patient):
            try:
                response = self._http.request(
                    method, path, content=content() if content is not None else None, **options
                )
            except httpx.TransportError as error:
                refused = isinstance(error, httpx.ConnectError) and not patient
                if wait is None or (refused and wait >= _REFUSED_SECONDS):
                    raise self.failure(error) from None
                self.sleep(wait)
                continue
            if response.status_code not in BUSY or wait is None:
                break
            self.sleep(retry_after(response, wait))
        if response.is_error:
            raise problem_of(response)
        return response

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str], timeout: float) -> Iterator[httpx.Response]:
        """GET `path` once and hand out the open answer; `timeout` seconds of silence break it.

        A redirect to object storage is followed, without our API key and without `If-Range`, whose tag is
        the service's own: the service has compared it before it redirected.

        Raises:
            ApiError: the service or the storage answered with a problem (416 is handed out instead).
            httpx.TransportError: the connection broke, also while the answer is being read.
        """
        limits = httpx.Timeout(timeout, connect=_CONNECT_SECONDS)
        request = self._http.build_request("GET", path, headers=dict(headers), timeout=limits)
        response = self._http.send(request, stream=True)
        try:
            if response.next_request is not None:
                response.close()
                elsewhere = response.next_request
                for name in ("Authorization", "If-Range"):
                    elsewhere.headers.pop(name, None)
                response = self._http.send(elsewhere, stream=True)
            if response.is_error and response.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                response.read()
                raise problem_of(response)
            yield response
        finally:
            response.close()

    def failure(self, error: httpx.TransportError | Unavailable) -> ConnectionFailed | Unavailable:
        """The exception for a service, or its storage, that stays away, with what to do about it."""
        if isinstance(error, Unavailable):
            return error
        url, asked = self.address.url, error.request.url
        if asked.netloc != httpx.URL(url).netloc:
            return ConnectionFailed(
                f"The service at {url} keeps this in object storage at {asked.netloc.decode()}, which does "
                f"not answer ({error}). Whoever runs the service can set SIGNFORGE_REDIRECT_DOWNLOADS=false."
            )
        if self.address.is_local:
            advice = "Start it with `signforge up`, or set SIGNFORGE_URL to where it runs."
        else:
            advice = "Check SIGNFORGE_URL and that the service runs there."
        cause = str(error) or type(error).__name__
        return ConnectionFailed(f"No signforge service answers at {url} ({cause}). {advice}")


def _waits_before_giving_up(repeatable: bool, patient: bool) -> tuple[float | None, ...]:
    if not repeatable:
        return (None,)
    return (*(PATIENT_WAITS_SECONDS if patient else _WAITS_SECONDS), None)


def waits() -> Iterator[float]:
    """Seconds to wait before each further try, without end."""
    return itertools.chain(_WAITS_SECONDS, itertools.repeat(_WAITS_SECONDS[-1]))


def retry_after(response: httpx.Response, otherwise: float) -> float:
    """Seconds that the service asks to wait, within reason."""
    try:
        seconds = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return otherwise
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS)
