"""A client that does nothing, or is too slow, loses its connection. Other clients keep theirs."""

import asyncio
import http.client
import socket
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest
import uvicorn

from api import main
from api.bounds import connections
from api.bounds.connections import BoundedConnection
from api.main import ApiServer
from core.jobs.database import transaction
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


def stream_of(bench: Bench) -> bytes:
    """A request for the events of a job that waits, so that the response does not end."""
    key = bench.client.headers["authorization"]
    head = f"GET /v1/jobs/{bench.submit_import()}/events HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\n"
    return f"{head}Accept: text/event-stream\r\n\r\n".encode()


def upload_of(bench: Bench, header: str) -> bytes:
    """Headers of an upload."""
    key = bench.client.headers["authorization"]
    head = f"POST /v1/uploads?filename=f HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\n"
    return f"{head}{header}\r\n\r\n".encode()


@pytest.mark.parametrize("where", ["behind a stream", "as trailers"])
def test_headers_without_end_are_refused_while_a_request_is_served(
    bench: Bench, server: ApiServer, port: int, where: str
) -> None:
    chunked = upload_of(bench, "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n"
    sent = chunked if where == "as trailers" else stream_of(bench) + b"GET /healthz HTTP/1.1\r\n"
    open_ones = server.server_state.connections
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(sent)
        wait_for(lambda: any(each.cycle for each in open_ones), within_seconds=30, what="the request")
        with suppress(ConnectionError):
            client.sendall(b"X-More: " + b"m" * 2**21)
        wait_for(lambda: not open_ones, within_seconds=30, what="the end of the connection")


def test_requests_that_wait_for_another_are_bounded(
    bench: Bench, server: ApiServer, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_PIPELINED", 3)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(stream_of(bench) + b"GET /healthz HTTP/1.1\r\n\r\n" * 5)
        while client.recv(2**16):
            pass
    wait_for(lambda: not server.server_state.tasks, within_seconds=30, what="the end of the stream")


def test_no_stream_outlives_a_client_that_asked_for_more_and_left(
    bench: Bench, server: ApiServer, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.event_stream.HEARTBEAT_SECONDS", 0.1)  # the system reports the end when it sends
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(stream_of(bench) + b"GET /healthz HTTP/1.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    wait_for(lambda: not server.server_state.tasks, within_seconds=30, what="the end of the stream")


def test_requests_sent_together_are_answered_in_order(port: int) -> None:
    first, last = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /nowhere HTTP/1.1\r\nHost: h\r\n"
    sent = first + last + b"Connection: close\r\n\r\n"
    received = ends(sent, port)
    assert received.index(b"HTTP/1.1 200") == 0
    assert received.index(b"HTTP/1.1 404") > 0


def test_a_refused_upload_has_its_answer(port: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        block = bytes(2**20)
        client.request(
            "POST", "/v1/uploads?filename=f", (block for _ in range(128)), {"Content-Length": str(2**27)}
        )
        assert client.getresponse().status == 401


def test_a_client_does_not_pay_for_a_server_that_reads_nothing(
    bench: Bench, server: ApiServer, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.set(max_upload_bytes=2**18)
    open_ones = server.server_state.connections
    looks = 0

    def look(found: Collection[object]) -> None:
        nonlocal looks
        connections.end_overdue(found)
        looks += 1

    monkeypatch.setattr(main, "end_overdue", look)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as client:
        with transaction(bench.service.engine), monkeypatch.context() as hurry:  # the key's use must wait
            client.sendall(upload_of(bench, f"Content-Length: {2**18}") + bytes(2**17))
            wait_for(
                lambda: any(each.flow.read_paused for each in open_ones), within_seconds=9, what="the pause"
            )
            hurry.setattr(connections, "BODY_SECONDS", 0.1)
            enough = looks + 2
            wait_for(lambda: looks >= enough, within_seconds=9, what="looks at the connection")
        client.sendall(bytes(2**17))
        assert client.recv(100).startswith(b"HTTP/1.1 201")


def test_a_client_that_reads_slowly_makes_progress(bench: Bench) -> None:
    async def read_a_little() -> list[float | None]:
        config = uvicorn.Config(bench.app, log_config=None)
        config.load()
        ours, theirs = socket.socketpair()
        with closing(theirs):
            connection = BoundedConnection(config, uvicorn.server.ServerState(), {})
            await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
            connection.transport.write(bytes(2**23))
            waits = []
            for now in (1.0, 2.0, 3.0):
                connection.note_progress(now)
                waits.append(connection.waits_since)
                if now == 2.0:
                    theirs.recv(2**16)
            connection.transport.abort()
            return waits

    assert asyncio.run(read_a_little()) == [1.0, 1.0, 3.0]


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
