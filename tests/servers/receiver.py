"""A webhook receiver on the loopback that behaves as its path says: well, badly, slowly, never."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Heard(NamedTuple):
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: str


class Receiver(ThreadingHTTPServer):
    """Listens until it is closed; `heard` is what arrived, and `released` lets hanging answers end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[Heard] = []
        self.released = threading.Event()
        self.answers: dict[str, int] = {}
        """Status by path; 200 where there is none."""
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def at(self, path: str) -> list[Heard]:
        return [each for each in self.heard if each.path == path]

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on; a handshake that fails is its handling thread's business."""
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up, or does not trust us, is what some tests are about."""

    def close(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()
        self._thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append(Heard(self.path, headers, body))
        if self.path.startswith("/hang"):
            self.server.released.wait(30)
            return
        if self.path.startswith("/drip"):
            self._drip()
            return
        self.send_response(self.server.answers.get(self.path, 200))
        if self.path.startswith("/redirect"):
            self.send_header("Location", self.server.url("/inside"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.heard.append(Heard(self.path, {}, ""))

    def _drip(self) -> None:
        """One byte of a header at a time, each soon enough for a time-out that counts from the last one."""
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.server.released.wait(0.05):
                self.wfile.write(b"x")
                self.wfile.flush()
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            self.server.released.set()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
