"""Measure submissions and status polls per second over several concurrent connections."""

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import func, select

from core.jobs.database import reading, transaction
from core.jobs.ledger.submissions import submit
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import PretrainSpec
from load.stage import CORPUS, OWNER, Stage

CONNECTIONS, SUBMISSIONS, POLLS, QUEUED = 8, 400, 1600, 300
Ask = Callable[[http.client.HTTPConnection, int], int]
"""Sends the n-th request and returns the answer's status."""


def submissions(stage: Stage) -> list[tuple[str, str]]:
    """Measure new jobs with idempotency keys, then repetitions of the same requests, which add no jobs."""
    body = json.dumps({"kind": "pretrain", "corpus": CORPUS, "recipe": "smoke"})

    def ask(connection: http.client.HTTPConnection, number: int) -> int:
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"load-{number}"}
        return _send(stage, connection, "POST", "/v1/jobs", body, headers)

    first = _send_all(stage, ask, SUBMISSIONS, status=201)
    again = _send_all(stage, ask, SUBMISSIONS, status=201)
    with reading(stage.api.engine) as session:
        kept = session.scalar(select(func.count()).where(JobRow.state == "queued"))
    assert kept == SUBMISSIONS, f"{kept} jobs of {SUBMISSIONS} submissions"
    return [("submissions", first), ("submissions replayed", again)]


def polls(stage: Stage) -> list[tuple[str, str]]:
    """Measure status polls of queued jobs; each poll also computes the job's queue position."""
    with transaction(stage.api.engine) as session:
        spec = PretrainSpec(corpus=CORPUS)
        ids = [submit(session, owner=OWNER, spec=spec, resolved=None).id for _ in range(QUEUED)]

    def look(connection: http.client.HTTPConnection, number: int) -> int:
        return _send(stage, connection, "GET", f"/v1/jobs/{ids[number % len(ids)]}")

    return [(f"status polls, {QUEUED} queued", _send_all(stage, look, POLLS, status=200))]


def _send(
    stage: Stage,
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> int:
    authorised = {"Authorization": f"Bearer {stage.api.api_key}", **(headers or {})}
    connection.request(method, path, body, authorised)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _send_all(stage: Stage, ask: Ask, count: int, *, status: int) -> str:
    """Send `count` requests over several connections; return requests per second and median latency."""
    seconds: list[float] = []
    wrong: list[int] = []

    def send(numbers: Sequence[int]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", stage.api.port)
        for number in numbers:
            began = time.perf_counter()
            found = ask(connection, number)
            seconds.append(time.perf_counter() - began)
            if found != status:
                wrong.append(found)
        connection.close()

    threads = [
        threading.Thread(target=send, args=[range(first, count, CONNECTIONS)]) for first in range(CONNECTIONS)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - began
    assert not wrong, f"answers with status {sorted(set(wrong))}"
    return f"{count / taken:.0f} /s; one takes {1e3 * statistics.median(seconds):.0f} ms"
