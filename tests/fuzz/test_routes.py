"""Hostile requests to each route: no internal error, no endless answer, and the event loop goes on."""

import time

import httpx
import pytest
from hypothesis import given, seed

from tests.api.conftest import Bench
from tests.fuzz.budget import fuzzing, rounds
from tests.fuzz.hostile_requests import Hostile, requests

pytestmark = pytest.mark.slow

EXAMPLES_A_ROUND = 100
LOOP_SECONDS = 0.2
"""Processor time of the event loop's thread for one request: it cannot have stalled others for longer."""
ANSWER_BYTES = 300_000
UNKNOWN_CALLER = (401, 404, 405, 307)
"""Without a key, no part of a request is looked at but whether there is such a path."""


def test_routes(bench: Bench) -> None:
    bench.set(requests_per_minute=0, max_body_bytes=2**20, max_queued_per_owner=10**6)
    corpus = bench.make_corpus()
    encoder = bench.make_encoder(corpus)
    known_ids = [bench.submit_import("another"), corpus, encoder, "smoke"]
    with_key, without_key = bench.client_of("ada", "admin"), bench.client_with({})
    document = bench.client.get("/openapi.json").json()
    for first in rounds():

        @seed(first)
        @fuzzing(EXAMPLES_A_ROUND)
        @given(requests(document, known_ids))
        def one_round(hostile: Hostile) -> None:
            answer, loop_seconds = send(bench, with_key if hostile.with_key else without_key, hostile)
            assert answer.status_code < 500 or is_readiness(hostile, answer), answer.text
            assert len(answer.content) < ANSWER_BYTES
            if loop_seconds >= LOOP_SECONDS:  # Python may have collected the garbage of all tests
                _, loop_seconds = send(bench, with_key if hostile.with_key else without_key, hostile)
            assert loop_seconds < LOOP_SECONDS
            if not hostile.with_key and hostile.path.startswith("/v1/"):
                assert answer.status_code in UNKNOWN_CALLER

        one_round()


def send(bench: Bench, client: httpx.Client, hostile: Hostile) -> tuple[httpx.Response, float]:
    """The answer to a request, and what the loop's thread needed for it."""
    url = httpx.URL(f"http://service{hostile.path}", query=hostile.query.encode())
    began = bench.portal.call(time.thread_time)
    answer = client.request(hostile.method, url, content=hostile.body, headers=hostile.headers)
    return answer, bench.portal.call(time.thread_time) - began


def is_readiness(hostile: Hostile, answer: httpx.Response) -> bool:
    """No broker runs here, and readiness says so."""
    return hostile.path == "/readyz" and answer.status_code == 503
