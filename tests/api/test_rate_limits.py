"""Rate limits: excess requests are refused early, without a query, with Retry-After."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from api.bounds.rate_limits import Admission, Callers, Rate, RequestRates, TokenBuckets
from tests.api.conftest import Bench
from tests.worker.attempt.test_reporter import Clock

RATE = Rate(per_minute=60, burst=5)


@pytest.fixture
def clock(bench: Bench) -> Clock:
    """The time of the bench's buckets, of five requests at once and one a second."""
    stopped = Clock()
    bench.set(requests_per_minute=60, request_burst=5)
    bench.app.state.service = replace(bench.service, rates=RequestRates(buckets=TokenBuckets(stopped)))
    return stopped


def statuses(client: httpx.Client, count: int, path: str = "/v1/recipes") -> list[int]:
    return [client.get(path).status_code for _ in range(count)]


class TestBuckets:
    def test_a_burst_then_the_rate(self) -> None:
        clock = Clock()
        buckets = TokenBuckets(clock)
        assert [buckets.take("a", RATE).allowed for _ in range(7)] == [True] * 5 + [False] * 2
        assert buckets.take("a", RATE) == Admission(False, remaining=0, retry_after=1, full_after=5)
        assert buckets.take("b", RATE) == Admission(True, remaining=4, retry_after=0, full_after=1)
        clock.time += 1
        assert [buckets.take("a", RATE).allowed for _ in range(2)] == [True, False]
        clock.time += 1000
        assert [buckets.take("a", RATE).allowed for _ in range(6)] == [True] * 5 + [False]

    @given(st.lists(st.floats(0, 10), max_size=100))
    def test_never_more_than_the_burst_and_the_rate_allow(self, pauses: list[float]) -> None:
        clock = Clock()
        buckets, allowed = TokenBuckets(clock), 0
        for pause in pauses:
            clock.time += pause
            allowed += buckets.take("a", RATE).allowed
        assert allowed <= RATE.burst + sum(pauses) * RATE.per_second + 1e-6

    def test_memory_is_bounded(self) -> None:
        buckets, callers = TokenBuckets(), Callers()
        for index in range(10_050):
            buckets.take(str(index), RATE)
            callers.learn({"headers": [(b"authorization", str(index).encode())]}, accepted=True)
        assert len(buckets._buckets) == len(callers._accepted) == 10_000

    def test_neighbours_in_one_ipv6_network_share_a_bucket(self) -> None:
        def name(host: str) -> str:
            return Callers().name_of({"headers": [], "client": (host, 1)})

        assert name("2001:db8::1") == name("2001:db8::ffff:1") != name("2001:db8:0:1::1")
        assert name("10.0.0.1") != name("10.0.0.2")


def test_one_too_many_is_refused_and_told_when_to_come_back(bench: Bench, clock: Clock) -> None:
    bench.client.get("/v1/recipes")  # charged to the address; from now on the key has its own bucket
    assert statuses(bench.client, 5) == [200] * 5
    answer = bench.client.get("/v1/recipes")
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:signforge:problem:too-many-requests"
    assert "SIGNFORGE_REQUESTS_PER_MINUTE" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["ratelimit-policy"] == '"requests";q=5;w=5'
    assert answer.headers["ratelimit"] == '"requests";r=0;t=5'
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    clock.time += 1
    assert statuses(bench.client, 2) == [200, 429]


def test_callers_do_not_share(bench: Bench, clock: Clock) -> None:
    other = bench.client_of("ben", "read")
    statuses(bench.client, 7)
    assert statuses(bench.client, 1) == [429]
    assert statuses(other, 4) == [200] * 4


def test_made_up_keys_are_charged_to_their_address(bench: Bench, clock: Clock) -> None:
    answers = [
        bench.client_with({"Authorization": f"Bearer sf_{index}_x"}).get("/v1/jobs").status_code
        for index in range(7)
    ]
    assert answers == [401] * 5 + [429] * 2
    assert statuses(bench.client_with({}), 1, "/openapi.json") == [429], "it is the same address"


def test_a_key_that_was_revoked_is_a_stranger_again(bench: Bench, clock: Clock) -> None:
    admin = bench.client_of("root", "admin")
    made = admin.post("/v1/api-keys", json={"owner": "ben"}).json()
    client = bench.client_with({"Authorization": f"Bearer {made['api_key']}"})
    assert statuses(client, 2, "/v1/jobs") == [200, 200]
    admin.delete(f"/v1/api-keys/{made['id']}")
    clock.time += 60
    assert statuses(client, 7, "/v1/jobs") == [401] * 6 + [429]  # one of its own, five of its address


def test_a_refusal_costs_no_database_work(bench: Bench, clock: Clock) -> None:
    statuses(bench.client, 6)
    asked: list[Any] = []

    def listen(*arguments: Any) -> None:
        asked.append(arguments[2])

    event.listen(bench.service.engine, "before_cursor_execute", listen)
    assert bench.client.post("/v1/jobs", json={}).status_code == 429
    event.remove(bench.service.engine, "before_cursor_execute", listen)
    assert asked == []


def test_whoever_runs_the_service_can_always_look(bench: Bench, clock: Clock) -> None:
    anybody = bench.client_with({})
    statuses(anybody, 6, "/openapi.json")
    for path in ("/healthz", "/metrics"):
        assert statuses(anybody, 10, path) == [200] * 10
    assert "ratelimit" not in anybody.get("/healthz").headers


def test_it_can_be_switched_off(bench: Bench, clock: Clock) -> None:
    bench.set(requests_per_minute=0)
    assert statuses(bench.client, 20) == [200] * 20
