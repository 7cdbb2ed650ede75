"""How long an answer of the database is shared."""

from dataclasses import replace
from typing import cast

import pytest
from sqlalchemy.orm import Session

from api.recent import Recent, Waiting
from core.jobs.database import reading
from core.jobs.ledger.queue_order import queue_order
from tests.api.conftest import Bench
from tests.worker.attempt.test_reporter import Clock

SESSION = cast(Session, None)
"""The readers here need none."""


def test_an_answer_is_shared_for_a_moment() -> None:
    clock, numbers = Clock(), iter(range(10))
    recent = Recent(lambda _: next(numbers), seconds=0.5, clock=clock)
    assert [recent.get(SESSION), recent.get(SESSION)] == [0, 0]
    clock.time += 0.5
    assert recent.get(SESSION) == 1
    recent.forget()
    assert recent.get(SESSION) == 2
    assert not recent.is_costly


def test_one_that_takes_long_is_shared_for_longer() -> None:
    clock, numbers = Clock(), iter(range(10))

    def read(_: Session) -> int:
        clock.time += 0.1
        return next(numbers)

    recent = Recent(read, seconds=0.5, clock=clock)
    assert recent.get(SESSION) == 0
    assert recent.is_costly
    clock.time += 1.8
    assert recent.get(SESSION) == 0
    clock.time += 0.2
    assert recent.get(SESSION) == 1


def test_jobs_of_another_server_have_their_places_though_reading_the_queue_is_costly(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.recent._COSTLY_SECONDS", -1)
    first = bench.submit_import("first")
    assert bench.client.get(f"/v1/jobs/{first}").json()["queue_position"] == 1
    others = [bench.submit_import(f"corpus-{index}") for index in range(3)]
    listed = bench.client.get("/v1/jobs").json()["data"]
    assert [(job["id"], job["queue_position"]) for job in listed] == [
        *zip(reversed(others), (4, 3, 2), strict=True),
        (first, 1),
    ]


def test_a_cancelled_job_leaves_a_queue_that_is_costly_to_read_without_reading_it_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.recent._COSTLY_SECONDS", -1)
    waiting = Waiting(order=Recent(queue_order, clock=Clock()))
    bench.app.state.service = replace(bench.service, waiting=waiting)
    first, second, third = (bench.submit_import(f"corpus-{index}") for index in range(3))

    def places() -> list[int | None]:
        jobs = (bench.client.get(f"/v1/jobs/{job_id}").json() for job_id in (first, second, third))
        return [job["queue_position"] for job in jobs]

    def held() -> object:
        with reading(bench.service.engine) as session:
            return waiting.order.get(session)

    assert places() == [1, 2, 3]
    before = held()
    for _ in range(2):
        bench.client.post(f"/v1/jobs/{second}/cancel")
        assert places() == [1, None, 2]
    assert held() is before
