"""Bounds on connections: how many, how long each may idle, send headers or a body, or not read its response.

uvicorn ends a connection that idles after a response. One that sends nothing, sends headers without end or
does not read keeps its file descriptor for ever, and at the limit of files no client can connect any more.
"""

import contextlib
import fcntl
import logging
import resource
import sys
import termios
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
"""Of headers or trailers, or of anything else that adds nothing to a request."""
MAX_PIPELINED = 100
"""Requests that a client may send before it has the response to an earlier one."""
_FILES_FOR_THE_REST = 256
"""File descriptors for the database, storage, logs and forms."""
_MOST_FILES = 2**16
_SAY_EVERY_SECONDS = 60.0
_HAS_OWN_BOUNDS = not hasattr(AutoHTTPProtocol, "on_message_begin")
"""Whether the parser is h11, which takes up to 64 KiB without an event."""
_log = logging.getLogger("signforge.api")


class BoundedConnection(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's protocol, with times of what its client last did and bounds on headers and pipelining.

    The parser is httptools, whose callbacks are the methods `on_...`, or h11, which has bounds of its own.
    """

    transport: "asyncio.Transport"
    connections: set["BoundedConnection"]
    flow: Any
    cycle: Any
    """The request that came last; an earlier one may still be served."""
    ready_since = heard_at = 0.0
    waits_since: float | None = None
    """Since when the client does not read what is to be sent. None: it reads."""
    _served: Any = None
    """The request that is served, or the last one that was."""
    _unsent = 0
    _bytes_in_vain = 0
    _parsed_something = _HAS_OWN_BOUNDS

    def connection_made(self, transport: "asyncio.Transport") -> None:
        """Take a connection, in place of the one that idles longest if there are too many."""
        self.ready_since = self.heard_at = time.monotonic()
        there_is_room = OVERLOAD.make_room(self.connections)
        super().connection_made(transport)
        if not there_is_room:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell also the request that is served before others of this client: uvicorn tells the last one."""
        if self._served is not None:
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and refuse headers that do not end."""
        self.heard_at = time.monotonic()
        self._parsed_something = _HAS_OWN_BOUNDS
        super().data_received(data)
        self._bytes_in_vain = 0 if self._parsed_something else self._bytes_in_vain + len(data)
        if self._bytes_in_vain > MAX_HEADER_BYTES and not self.transport.is_closing():
            if self.is_idle:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request, unless too many wait already; the error makes the parser stop."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise OverflowError(f"More than {MAX_PIPELINED} requests wait.")
        self._parsed_something = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take a request, which is served at once if none before it is being served."""
        self._parsed_something = True
        at_once = self.is_idle
        super().on_headers_complete()
        if at_once:
            self._served = self.cycle

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, which may be that of a request that was refused."""
        self._parsed_something = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, or serve the next one that came already."""
        self.ready_since, self._bytes_in_vain = time.monotonic(), 0
        if waiting := getattr(self, "pipeline", None):
            self._served = waiting[-1][0]
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

    def note_progress(self, now: float) -> None:
        """Restart waits that are not the client's fault: the server reads nothing, or it reads slowly.

        The system takes up to a megabyte at a time, for which a slow client needs minutes.
        """
        if self.flow.read_paused:
            self.heard_at = now
        if self.waits_since is not None and (unsent := _unsent_bytes(self.transport)) != self._unsent:
            self._unsent, self.waits_since = unsent, now

    def is_overdue(self, now: float) -> bool:
        """Whether its client has taken too long for what it does."""
        if self.is_idle:
            return now - self.ready_since > HEADER_SECONDS
        if self.waits_since is not None:
            return now - self.waits_since > READ_SECONDS
        return self.cycle.more_body and now - self.heard_at > BODY_SECONDS


def _unsent_bytes(transport: "asyncio.Transport") -> int:
    """Bytes that the client's system has not yet taken: of the transport, and where known of the system."""
    of_system = bytearray(4)
    with contextlib.suppress(OSError):
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, of_system)
    return transport.get_write_buffer_size() + int.from_bytes(of_system, sys.byteorder)


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
        if isinstance(each, BoundedConnection):
            each.note_progress(now)
            if each.is_overdue(now):
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
