"""One HTTP connection to the service: problems become exceptions, broken connections are tried again."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from core.errors import UserError
from signforge.client.errors import BUSY, ApiError, ConnectionFailed, Unavailable, problem_of
from signforge.client.transport.address import Address
from signforge.client.transport.backoff import Backoff, Sleep, retry_after
from signforge.client.transport.proxies import EnvironmentProxies
from signforge.client.transport.unknown_names import COLLECTIONS, hint_for, wanted_by

AWAY = (httpx.TransportError, Unavailable)
"""The errors of a service that may come back."""

_CONNECT_SECONDS = 5.0
_TIMEOUT = httpx.Timeout(60.0, connect=_CONNECT_SECONDS)
_OF_VERSIONS = (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.UNPROCESSABLE_ENTITY)
"""Statuses of what another version may not know: a path, a method or a field."""
_MAX_LISTED = 100
"""Newest things that are compared with a name that does not exist."""
_LONGEST_WAIT_REFUSED_SECONDS = 0.5
"""A single call that is refused a connection gives up before it would wait longer than this."""


class Connection:
    """Sends requests to one service.

    A request counts as safe to repeat unless its sender says otherwise, as for a creation without an
    idempotency key; such a one is tried once. `sleep` is what waits between tries.
    """

    def __init__(self, address: Address, *, sleep: Sleep = time.sleep) -> None:
        self.address = address
        self.sleep = sleep
        self._proxies = EnvironmentProxies(address.url)
        self._http = httpx.Client(
            base_url=address.url,
            headers={"Authorization": f"Bearer {address.api_key}"} if address.api_key else {},
            timeout=_TIMEOUT,
            transport=self._proxies,
            trust_env=False,
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
            UserError: a value is not text that can be sent.
        """
        if timeout is not None:
            options["timeout"] = httpx.Timeout(timeout, connect=_CONNECT_SECONDS)
        backoff = self._backoff(repeatable=repeatable, patient=patient)
        while True:
            try:
                response = self._http.request(
                    method, path, content=content() if content is not None else None, **options
                )
            except UnicodeEncodeError as error:
                raise UserError(f"{error.object[:100]!r} cannot be sent: it is not UTF-8 text.") from None
            except httpx.TransportError as error:
                refused = isinstance(error, httpx.ConnectError) and not patient
                if backoff.wait(at_most=_LONGEST_WAIT_REFUSED_SECONDS if refused else math.inf):
                    continue
                raise self.failure(error) from None
            if response.status_code in BUSY and backoff.wait(seconds=retry_after(response)):
                continue
            break
        if response.is_error:
            raise self._problem(response)
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
                raise self._problem(response)
            yield response
        finally:
            response.close()

    def unknown_name(self, collection: str, wanted: str) -> str:
        """A hint for an id or name that a collection does not have; empty where it cannot be listed."""
        try:
            params = {"limit": _MAX_LISTED} if COLLECTIONS[collection].is_paged else {}
            listed = self._http.get(path_of(collection), params=params).raise_for_status()
            return hint_for(collection, wanted, listed.json()["data"])
        except (httpx.HTTPError, ValueError, KeyError):
            return ""

    def failure(self, error: httpx.TransportError | Unavailable) -> ConnectionFailed | Unavailable:
        """The exception for a service, or its storage, that stays away, with what to do about it."""
        if isinstance(error, Unavailable):
            return error
        url, asked = self.address.url, error.request.url
        if asked.netloc != httpx.URL(url).netloc:
            return ConnectionFailed(
                f"The service at {url} keeps this in object storage at {asked.netloc.decode()}, which does "
                f"not answer ({error}). Its administrator can set SIGNFORGE_REDIRECT_DOWNLOADS=false."
                f"{self._proxy_advice(asked)}"
            )
        if self.address.is_local:
            advice = (
                "Start it with `signforge up`, or set SIGNFORGE_URL to where it runs. If you started it with "
                "--data FOLDER, set SIGNFORGE_DATA_FOLDER to that folder."
            )
        else:
            advice = f"Check SIGNFORGE_URL and that the service runs there.{self._proxy_advice(url)}"
        cause = str(error) or type(error).__name__
        return ConnectionFailed(f"No signforge service answers at {url} ({cause}). {advice}")

    def _problem(self, response: httpx.Response) -> ApiError:
        problem = problem_of(response)
        asked = wanted_by(response.request.url.raw_path.decode())
        if problem.status == httpx.codes.NOT_FOUND and asked is not None:
            return problem.followed_by(self.unknown_name(*asked))
        return problem.followed_by(self._other_version()) if problem.status in _OF_VERSIONS else problem

    def _other_version(self) -> str:
        """A hint if the service has another version than this client; empty if not, or if it does not say."""
        from importlib.metadata import PackageNotFoundError, version  # slow to import

        try:
            answer = self._http.get("/healthz", timeout=_CONNECT_SECONDS)
            theirs, ours = str(answer.json()["version"]), version("signforge")
        except (httpx.HTTPError, ValueError, LookupError, TypeError, PackageNotFoundError):
            return ""
        if theirs == ours:
            return ""
        return f" The service has version {theirs} of signforge, this client {ours}; use the same version."

    def _proxy_advice(self, url: httpx.URL | str) -> str:
        variable = self._proxies.variable_for(url)
        if variable is None:
            return ""
        return f" Requests to it go through {variable}; NO_PROXY lists hosts to reach directly."

    def _backoff(self, *, repeatable: bool, patient: bool) -> Backoff:
        if not repeatable:
            return Backoff.none(self.sleep)
        return Backoff.patient(self.sleep) if patient else Backoff.brief(self.sleep)


def path_of(*parts: str) -> str:
    """The path of something below `/v1`; each part is quoted, so that an id cannot lead elsewhere.

    Raises:
        UserError: a part is empty or made of dots, which no id is.
    """
    for part in parts:
        if part in ("", ".", ".."):
            raise UserError(f"{part!r} is not an id.")
    return "/".join(("/v1", *(quote(part, safe="", errors="surrogateescape") for part in parts)))
