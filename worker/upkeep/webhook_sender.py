"""HTTP sender of webhook messages: signed, to checked addresses only, with a total timeout."""

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpcore
from standardwebhooks import Webhook

from core.errors import SpecError
from core.jobs.webhooks.deliveries import OutgoingMessage, Result
from core.jobs.webhooks.targets import check_url, is_public, refusal

SECONDS = 15.0
"""Total timeout for connecting, sending and receiving the status. Name resolution has the system's limits."""
_CONNECT_SECONDS = 5.0
Resolve = Callable[[str, int], Sequence[str]]
Clock = Callable[[], float]
_log = logging.getLogger(__name__)


class TargetRefused(Exception):  # noqa: N818 - what it says is the fault
    """The host name is unknown, or resolves to an address that no webhook may be sent to."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host name, from the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Sender:
    """Sends messages. `private_allowed` permits addresses that are not public."""

    def __init__(
        self,
        *,
        private_allowed: bool,
        resolve: Resolve = resolve,
        seconds: float = SECONDS,
        clock: Clock = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._private_allowed, self._resolve = private_allowed, resolve
        self._seconds, self._clock, self._today, self._tls = seconds, clock, today, tls

    def send(self, outgoing: OutgoingMessage) -> Result:
        """Send `outgoing` once and return the result. Redirects are not followed."""
        backend = _CheckedBackend(self._addresses, self._seconds, self._clock)
        try:
            check_url(outgoing.url, private_allowed=self._private_allowed)
            headers = [*headers_of(outgoing, self._today()).items()]
            with (
                httpcore.ConnectionPool(network_backend=backend, ssl_context=self._tls) as pool,
                pool.stream("POST", outgoing.url, headers=headers, content=outgoing.body.encode()) as answer,
            ):
                return _result_of(answer.status)  # the body is not read
        except (SpecError, TargetRefused) as error:
            return Result(None, str(error))
        except httpcore.TimeoutException:
            return Result(None, f"The receiver did not respond within {self._seconds:g} s.")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
            return Result(None, f"{type(error).__name__}: {error}"[:500])

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        if self._private_allowed:
            return self._resolve(host, port)
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            _log.info("The webhook's host %s cannot be resolved: %s", host, error)
            raise TargetRefused(refusal(host)) from None
        refused = [address for address in addresses if not is_public(address)]
        if refused or not addresses:
            found = ", ".join(refused) or "no address"
            _log.info("The webhook's host %s resolves to %s, which is not public.", host, found)
            raise TargetRefused(refusal(host))
        return addresses


def headers_of(outgoing: OutgoingMessage, at: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks. The id is that of the message, the same in every attempt."""
    signatures = [Webhook(secret).sign(outgoing.id, at, outgoing.body) for secret in outgoing.secrets]
    return {
        "Host": urlsplit(outgoing.url).netloc,
        "Content-Type": "application/json",
        "User-Agent": "signforge-webhooks/1",
        "webhook-id": outgoing.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class _CheckedBackend(httpcore.NetworkBackend):
    """Resolves a host name once, checks the addresses, and connects to them, with one deadline for all.

    TLS still verifies the host name of the URL, which httpcore passes separately from the address.
    """

    def __init__(self, addresses: Callable[[str, int], Sequence[str]], seconds: float, clock: Clock) -> None:
        self._addresses, self._seconds, self._clock = addresses, seconds, clock
        self._system = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that accepts a connection."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = self._addresses(host, port)
        deadline = self._clock() + self._seconds
        for address in addresses:
            left = max(deadline - self._clock(), 0.001)
            try:
                stream = self._system.connect_tcp(address, port, min(_CONNECT_SECONDS, left))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Deadlined(stream, deadline, self._clock)
        raise failure


class _Deadlined(httpcore.NetworkStream):
    """A stream with one deadline for all reads and writes together, against slow receivers."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float, clock: Clock) -> None:
        self._stream, self._deadline, self._clock = stream, deadline, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._left(httpcore.ConnectTimeout)
        return _Deadlined(
            self._stream.start_tls(ssl_context, server_hostname, left), self._deadline, self._clock
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left(self, late: type[httpcore.TimeoutException]) -> float:
        left = self._deadline - self._clock()
        if left <= 0:
            raise late("the deadline has passed")
        return left


def _result_of(status: int) -> Result:
    if 200 <= status < 300:
        return Result(status)
    redirects = ". Redirects are not followed; use the final URL" if 300 <= status < 400 else ""
    return Result(status, f"The receiver responded with status {status}{redirects}.")
