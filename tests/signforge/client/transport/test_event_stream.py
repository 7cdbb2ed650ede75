"""Reading a job's event stream."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from hypothesis import given, settings
from hypothesis import strategies as st

from signforge.client.errors import ConnectionFailed
from signforge.client.event_models import LogEvent, LogLine
from signforge.client.transport.address import Address
from signforge.client.transport.connection import Connection
from signforge.client.transport.event_stream import follow_events, read_events

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\x85\u2028\u2029"))


def answer(wire: bytes) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Type": "text/event-stream; charset=utf-8"}, content=wire)


@given(st.lists(_TEXTS))
@settings(deadline=None, max_examples=50)
def test_what_the_service_writes_is_read_back(messages: list[str]) -> None:
    events = [LogEvent(sequence=n, data=LogLine(message=text)) for n, text in enumerate(messages, start=1)]
    wire = format_sse_event(retry=1000)
    for event in events:
        data = json.dumps({"message": event.data.message}, ensure_ascii=False)
        wire += KEEPALIVE_COMMENT + format_sse_event(data_str=data, event="log", id=str(event.sequence))
    assert list(read_events(answer(wire))) == events


def test_an_unfinished_event_is_left_out() -> None:
    assert list(read_events(answer(b'id: 1\nevent: log\ndata: {"message": "a"}'))) == []


def test_an_unknown_type_is_left_out() -> None:
    assert list(read_events(answer(b"id: 1\nevent: rumour\ndata: {}\n\nid: 2\ndata: {}\n\n"))) == []


@pytest.fixture
def web_page() -> Iterator[str]:
    """The URL of a server that answers every request with a page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_sends_no_events_is_named_at_once(web_page: str) -> None:
    waits: list[float] = []
    connection = Connection(Address(web_page, None, is_local=True), sleep=waits.append)
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1.* sends no events: .*text/html"):
        list(follow_events(connection, "/v1/jobs/job_0/events", is_over=lambda: False))
    connection.close()
    assert waits == []
