"""Bounds on connections: how many, how long each may idle, send headers or a body, or not read its response.

uvicorn ends a connection that idles after a response. One that sends nothing, sends headers without end or
does not read keeps its file descriptor for ever, and at the limit of files nobody can connect any more.
"""

import contextlib
import logging
import resource
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    import asyncio

MAX_CONNECTIONS = 4096
HEADER_SECONDS = 10.0
"""From the connection, or the last response, to the end of a request's headers."""
BODY_SECONDS = 30.0
"""Between two pieces of a body."""
READ_SECONDS = 60.0
"""How long a client may read nothing of a response that waits for it."""
MAX_HEADER_BYTES = 2**16
_FILES_FOR_THE_REST = 256
"""File descriptors for the database, storage, logs and forms."""
_MOST_FILES = 2**16
_SAY_EVERY_SECONDS = 60.0
_log = logging.getLogger("signforge.api")


class BoundedConnection(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's protocol, with times of what its client last did and a bound on headers."""

    transport: "asyncio.Transport"
    connections: set["BoundedConnection"]
    cycle: Any
    """The request that is served, or the last one that was."""
    ready_since = heard_at = 0.0
    waits_since: float | None = None
    """Since when the client does not read what is to be sent. None: it reads."""
    _header_bytes = 0

    def connection_made(self, transport: "asyncio.Transport") -> None:
        """Take a connection, in place of the one that idles longest if there are too many."""
        self.ready_since = self.heard_at = time.monotonic()
        there_is_room = OVERLOAD.make_room(self.connections)
        super().connection_made(transport)
        if not there_is_room:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and refuse headers that do not end."""
        self.heard_at = time.monotonic()
        super().data_received(data)
        self._header_bytes = self._header_bytes + len(data) if self.is_idle else 0
        if self._header_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.ready_since, self._header_bytes = time.monotonic(), 0
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        self.waits_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self.waits_since = None
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served."""
        return self.cycle is None or self.cycle.response_complete

    def is_overdue(self, now: float) -> bool:
        """Whether its client has taken too long for what it does."""
        if self.is_idle:
            return now - self.ready_since > HEADER_SECONDS
        if self.waits_since is not None:
            return now - self.waits_since > READ_SECONDS
        return self.cycle.more_body and now - self.heard_at > BODY_SECONDS


@dataclass
class Overload:
    """How many connections a process takes, and how often it says that there were too many."""

    most: int = MAX_CONNECTIONS
    _ended: int = 0
    _said_at: float = field(default=-_SAY_EVERY_SECONDS)

    def make_room(self, connections: Collection[BoundedConnection]) -> bool:
        """At the limit, end the connection that idles longest. Returns whether one more can be taken."""
        if len(connections) < self.most:
            return True
        idle = [each for each in connections if each.is_idle and not each.transport.is_closing()]
        if idle:
            min(idle, key=lambda each: each.ready_since).transport.abort()
        self._say(len(connections))
        return bool(idle)

    def _say(self, found: int) -> None:
        self._ended += 1
        if time.monotonic() - self._said_at >= _SAY_EVERY_SECONDS:
            _log.warning(
                "There are %d connections, the most that this process takes. Ended idle ones, or refused new "
                "ones, %d times since this was last said.",
                found,
                self._ended,
            )
            self._ended, self._said_at = 0, time.monotonic()


OVERLOAD = Overload()


def end_overdue(connections: Collection[Any]) -> None:
    """End the connections whose clients take too long. Call it every second."""
    now = time.monotonic()
    for each in list(connections):
        if isinstance(each, BoundedConnection) and each.is_overdue(now):
            each.transport.abort()


def raise_file_limit() -> None:
    """Allow this process as many files as the system lets it, and fit the number of connections to that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems have another limit beside this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed != resource.RLIM_INFINITY:
        OVERLOAD.most = max(16, min(MAX_CONNECTIONS, allowed - _FILES_FOR_THE_REST))


_TEXT = f"The headers of this request are larger than {MAX_HEADER_BYTES:,} bytes.".encode()
_TOO_LARGE = b"\r\n".join(
    (
        b"HTTP/1.1 431 Request Header Fields Too Large",
        b"content-type: text/plain; charset=utf-8",
        b"content-length: %d" % len(_TEXT),
        b"connection: close",
        b"",
        _TEXT,
    )
)
