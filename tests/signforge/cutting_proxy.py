"""A TCP proxy on localhost that cuts connections at given points, to simulate a bad network."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Forwards to `target_port`, cutting its n-th connection after `cuts[n]` bytes of answer."""

    def __init__(self, target_port: int, *, cuts: Sequence[int]) -> None:
        self._target_port = target_port
        self._cuts = list(cuts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.num_connections = 0
        self.heard = bytearray()
        """All that clients have sent."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def num_cuts_left(self) -> int:
        return len(self._cuts)

    def cut(self, *cuts: int) -> None:
        """Cut the next connections after so many bytes of answer each, and forget what was heard."""
        self._cuts = list(cuts)
        self.heard.clear()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            _close(connection)
        for thread in self._threads:
            thread.join(timeout=10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.num_connections += 1
            far = socket.create_connection(("127.0.0.1", self._target_port))
            self._open += [near, far]
            budget = self._cuts.pop(0) if self._cuts else None
            self._start(_pump, near, far, None, self.heard)
            self._start(_pump, far, near, budget, None)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def _pump(source: socket.socket, sink: socket.socket, budget: int | None, heard: bytearray | None) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            if heard is not None:
                heard += chunk
            if budget is not None and len(chunk) >= budget:
                sink.sendall(chunk[:budget])
                break
            if budget is not None:
                budget -= len(chunk)
            sink.sendall(chunk)
    _close(source)
    _close(sink)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
