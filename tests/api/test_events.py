"""Events of a job: pages, and streams that resume at any sequence, follow live, and end."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest
import uvicorn

from api import event_stream
from api.main import ApiServer
from core.jobs.ledger.outcomes import fail
from core.jobs.ledger.reports import Point, record_metrics, report_log, report_progress
from core.jobs.states import Reason
from tests.api.conftest import Bench

STREAM = {"Accept": "text/event-stream"}


@dataclass
class Event:
    """One event as a browser would dispatch it."""

    id: int
    type: str
    data: dict[str, Any]


def events_in(lines: Iterator[str]) -> Iterator[Event]:
    """Read a stream the way the standard says."""
    fields: dict[str, str] = {}
    for line in lines:
        if line == "":
            if "data" in fields:
                yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def run_to_the_end(bench: Bench) -> str:
    """A job with seven events, the last of which is its failure."""
    job_id = bench.submit_import()
    lease = bench.start().lease
    bench.write(report_progress, lease, {"phase": "reading", "step": 1, "total_steps": 2})
    bench.write(record_metrics, lease, [Point(1, {"loss": 2.5})])
    bench.write(report_log, lease, "line one\nline two: ümläut")
    bench.write(fail, lease, reason=Reason.DATA_UNUSABLE, message="no poses")
    return job_id


def test_pages_hold_every_event_once_in_order(bench: Bench) -> None:
    job_id = run_to_the_end(bench)
    met, after, more = [], 0, True
    while more:
        page = bench.client.get(f"/v1/jobs/{job_id}/events?after={after}&limit=3").json()
        met += page["data"]
        after, more = page["next_after"], page["has_more"]
    assert [event["sequence"] for event in met] == [1, 2, 3, 4, 5, 6, 7]
    kinds = [event["type"] for event in met]
    assert kinds == ["state", "state", "state", "progress", "metric", "log", "state"]
    assert met[-1]["data"]["to"] == "failed"
    assert met[-1]["data"]["reason"] == "data_unusable"


def test_the_stream_of_a_finished_job_is_whole_and_ends(bench: Bench) -> None:
    job_id = run_to_the_end(bench)
    answer = bench.client.get(f"/v1/jobs/{job_id}/events", headers=STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    met = list(events_in(iter(answer.text.split("\n"))))
    page = bench.client.get(f"/v1/jobs/{job_id}/events").json()["data"]
    assert [(e.id, e.type, e.data) for e in met] == [(e["sequence"], e["type"], e["data"]) for e in page]


@pytest.mark.parametrize("last", range(7))
def test_a_stream_goes_on_after_the_last_event_one_has(bench: Bench, last: int) -> None:
    job_id = run_to_the_end(bench)
    for headers, query in ((STREAM | {"Last-Event-ID": str(last)}, ""), (STREAM, f"?after={last}")):
        answer = bench.client.get(f"/v1/jobs/{job_id}/events{query}", headers=headers)
        met = list(events_in(iter(answer.text.split("\n"))))
        assert [event.id for event in met] == list(range(last + 1, 8))


def test_a_browser_that_has_everything_is_told_to_stop(bench: Bench) -> None:
    job_id = run_to_the_end(bench)
    answer = bench.client.get(f"/v1/jobs/{job_id}/events", headers=STREAM | {"Last-Event-ID": "7"})
    assert answer.status_code == 204
    assert bench.client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_silent_stream_says_that_it_is_alive(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(event_stream, "POLL_SECONDS", 0.05)
    job_id = bench.submit_import()

    async def first_pieces() -> list[bytes]:
        stream = event_stream.event_stream(bench.service, job_id, 1)
        with anyio.fail_after(10):
            pieces = [await anext(stream) for _ in range(3)]
        await stream.aclose()  # type: ignore[attr-defined]
        return pieces

    assert bench.portal.call(first_pieces) == [b"retry: 1000\n\n", b": ping\n\n", b": ping\n\n"]


@dataclass
class Served:
    """The application behind a real socket."""

    server: ApiServer
    thread: threading.Thread
    url: str


@pytest.fixture
def served(bench: Bench) -> Iterator[Served]:
    server = ApiServer(uvicorn.Config(bench.app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(server, thread, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join(20)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        threading.Event().wait(0.01)


def test_a_live_stream_follows_the_job_and_ends_with_it(bench: Bench, served: Served) -> None:
    job_id = bench.submit_import()
    where = f"{served.url}/v1/jobs/{job_id}/events"
    headers = STREAM | dict(bench.client.headers)
    with httpx.stream("GET", where, headers=headers, timeout=20) as answer:
        events = events_in(answer.iter_lines())
        assert next(events).data["to"] == "queued"
        lease = bench.start().lease
        assert [next(events).data["to"] for _ in range(2)] == ["starting", "running"]
        bench.write(report_log, lease, "hello")
        assert next(events).data == {"message": "hello"}
    with httpx.stream("GET", where, headers=headers | {"Last-Event-ID": "4"}, timeout=20) as answer:
        events = events_in(answer.iter_lines())
        bench.write(fail, lease, reason=Reason.USER_ERROR, message="no")
        assert [(event.id, event.data["to"]) for event in events] == [(5, "failed")]


def test_streams_and_long_polls_end_when_the_server_is_stopped(bench: Bench, served: Served) -> None:
    job_id = bench.submit_import()
    where = f"{served.url}/v1/jobs/{job_id}"
    credentials = dict(bench.client.headers)
    polled: list[httpx.Response] = []
    tag = {"If-None-Match": httpx.get(where, headers=credentials).headers["etag"]}
    poller = threading.Thread(
        target=lambda: polled.append(httpx.get(f"{where}?wait=60", headers=credentials | tag, timeout=70))
    )
    poller.start()
    with httpx.stream("GET", f"{where}/events", headers=STREAM | credentials, timeout=20) as answer:
        events = events_in(answer.iter_lines())
        assert next(events).id == 1
        until(lambda: len(served.server.server_state.tasks) == 2)  # the long poll has arrived too
        began = time.monotonic()
        served.server.handle_exit(signal.SIGTERM, None)
        assert list(events) == []
    poller.join(20)
    served.thread.join(20)
    assert time.monotonic() - began < 5
    assert polled[0].status_code == 304
    assert not served.thread.is_alive()
