"""Connections that do nothing, or too slowly, cost nobody else theirs."""

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
import uvicorn

from api import connections
from api.connections import BoundedConnection
from api.main import ApiServer
from tests.api.conftest import Bench
from tests.servers.starting import start, wait_for

LIMITED = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 320))
runpy.run_module("api.main", run_name="__main__")
"""


@pytest.fixture
def server(bench: Bench) -> Iterator[ApiServer]:
    """A real server with the application."""
    config = uvicorn.Config(
        bench.app, port=0, log_config=None, lifespan="off", http=BoundedConnection, ws="none"
    )
    server = ApiServer(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    wait_for(lambda: server.started, within_seconds=30, what="the server's start")
    yield server
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def port(server: ApiServer) -> int:
    """Where it listens."""
    return int(server.servers[0].sockets[0].getsockname()[1])


def ends(sent: bytes, port: int) -> bytes:
    """Send bytes and return what comes until the server closes the connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(sent)
        received = b""
        try:
            while piece := client.recv(2**16):
                received += piece
        except ConnectionResetError:
            pass
        return received


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: h\r\nX-Slow: "])
def test_a_client_that_sends_no_whole_headers_is_left(
    port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.1)
    assert ends(sent, port) == b""


def test_a_client_that_stops_within_its_body_is_left(
    bench: Bench, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.1)
    key = bench.client.headers["authorization"]
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\nContent-Length: 99\r\n\r\n" + "{"
    assert ends(head.encode(), port) == b""


def test_headers_without_end_are_refused(port: int) -> None:
    sent = b"GET /healthz HTTP/1.1\r\n" + b"X-More: and more\r\n" * 30_000
    try:
        received = ends(sent, port)
    except ConnectionError:  # the server closed while there was more to send
        return
    assert received == b"" or received.startswith(b"HTTP/1.1 4"), received[:100]


def test_a_client_that_does_not_read_is_left(
    bench: Bench, server: ApiServer, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "READ_SECONDS", 0.1)
    encoder = bench.make_encoder(bench.make_corpus(), content=bytes(2**25))
    key = bench.client.headers["authorization"]
    ask = f"GET /v1/encoders/{encoder}/download HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(ask.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        open_ones = server.server_state.connections
        wait_for(lambda: not open_ones, within_seconds=30, what="the end of the connection")


@pytest.mark.system
def test_more_idle_clients_than_files_leave_the_service_reachable(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port = found.getsockname()[1]
    log = tmp_path / "api.log"
    environment = {"SIGNFORGE_DATA_FOLDER": str(tmp_path / "data"), "SIGNFORGE_PORT": str(port)}
    process = start([sys.executable, "-c", LIMITED], log=log, environment=environment)
    url = f"http://127.0.0.1:{port}/healthz"

    def answers() -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=10).is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, within_seconds=60, what=f"the API's start ({log})")
        with ExitStack() as idle:
            for _ in range(600):
                idle.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=10)))
            assert [answers() for _ in range(20)] == [True] * 20
        said = log.read_text()
        assert said.count("the most that this process takes") == 1, said
        assert "Traceback" not in said
    finally:
        process.kill()
        process.wait(10)
