"""Large and wrong requests: an answer lists few faults and counts the rest; strangers learn nothing."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.bounds.body_shape import MAX_FIELDS, MAX_VALUES
from api.service import LONG_READS
from api.validation import MAX_FAULTS
from core.specs.nesting import parse_json
from tests.api.conftest import Bench

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def large(bench: Bench) -> Bench:
    """An application with the usual limit of bodies."""
    bench.set(max_body_bytes=2**20)
    return bench


def test_an_answer_lists_the_first_faults_and_counts_the_others(large: Bench) -> None:
    fields = {f"unknown_{number}": 1 for number in range(300)}
    answer = large.client.post("/v1/jobs", json={"kind": "pretrain", "corpus": "c", **fields}).json()
    assert len(answer["errors"]) == MAX_FAULTS == 20
    assert answer["detail"] == "300 fields are invalid; `errors` lists the first 20."


def test_so_does_one_about_the_query(large: Bench) -> None:
    query = "&".join(f"unknown_{number}=1" for number in range(300))
    answer = large.client.get(f"/v1/jobs?{query}").json()
    assert len(answer["errors"]) == MAX_FAULTS
    assert answer["detail"].startswith("300 fields")


def test_a_query_of_over_8_kib_is_refused(large: Bench) -> None:
    longest = "limit=5".ljust(8192, "&")
    assert large.client.get(f"/v1/jobs?{longest}").status_code == 200
    answer = large.client.get(f"/v1/jobs?{longest}&")
    assert (answer.status_code, answer.json()["type"]) == (414, "urn:signforge:problem:too-large")
    assert "8,193 bytes. The limit is 8,192." in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/corpora"])
@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({f"field_{number}": 1 for number in range(MAX_FIELDS + 1)}, f"{MAX_FIELDS:,} fields"),
        ({"clips": {"splits": [1] * MAX_VALUES}}, f"{MAX_VALUES:,} values"),
        ([1] * 130_000, "marks of JSON"),
    ],
    ids=["fields", "values", "marks"],
)
def test_a_body_of_too_many_parts_is_refused(large: Bench, path: str, document: object, what: str) -> None:
    answer = large.client.post(path, content=json.dumps(document, separators=(",", ":")), headers=JSON)
    assert answer.status_code == 413, answer.text
    assert what in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/corpora", "/v1/webhooks"])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"seed": ' + b"1" * 4301 + b"}", "a whole number of more than 4,300 digits"),
        ('["\u0122", '.encode("utf-16-le") + b"[\0" * 5000, "not JSON"),
        (json.dumps(["a"]).encode("utf-16"), "not UTF-8: byte 0"),
        (b'{"\xed\xa0\x80": 1}', "not UTF-8: byte 2"),
        (b'{"overrides": {"\\ud800": 1}}', r"has \ud800 without the other half"),
        (b'{"overrides": {"a": ["\\uDFFF"]}}', r"has \udfff without the other half"),
    ],
    ids=["digits", "hidden nesting", "utf-16", "surrogate", "key", "value"],
)
def test_a_body_that_is_no_text_or_number_of_ours_is_refused_with_the_reason(
    large: Bench, path: str, body: bytes, why: str
) -> None:
    answer = large.client.post(path, content=body, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert why in answer.json()["detail"]


def test_characters_beyond_the_first_plane_are_taken_escaped_and_as_they_are(bench: Bench) -> None:
    for name in (b'"\\ud83e\\udd1f"', '"\N{I LOVE YOU HAND SIGN}"'.encode()):
        body = b'\xef\xbb\xbf{"name": ' + name + b', "source": "upl_1"}'
        answer = bench.client.post("/v1/corpora", content=body, headers=JSON)
        assert "upl_1" in answer.json()["detail"]


@pytest.mark.parametrize("media_type", ["application/JSON", "Application/X+Json; charset=utf-8"])
def test_the_case_of_a_media_type_does_not_matter(large: Bench, media_type: str) -> None:
    fields = json.dumps({f"field_{number}": 1 for number in range(MAX_FIELDS + 1)})
    answer = large.client.post("/v1/jobs", content=fields, headers={"Content-Type": media_type})
    assert answer.status_code == 413, answer.text


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/corpora"])
def test_large_bodies_are_not_looked_at_in_the_event_loop(
    large: Bench, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def parse(text: bytes) -> object:
        threads.add(threading.current_thread())
        return parse_json(text)

    monkeypatch.setattr("api.bounds.body_shape.parse_json", parse)
    large.client.post(path, json={"name": "n" * 100_000})
    assert threads
    assert large.portal.call(threading.current_thread) not in threads


def test_few_long_lists_are_read_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    most, now, both = 0, 0, threading.Barrier(LONG_READS)

    def read(*_: object) -> tuple[list[object], None]:
        nonlocal most, now
        now += 1
        most = max(most, now)
        both.wait(60)
        now -= 1
        return [], None

    monkeypatch.setattr("api.routes.jobs.page_of", read)
    with ThreadPoolExecutor(3 * LONG_READS) as pool:
        answers = list(pool.map(lambda _: bench.client.get("/v1/jobs"), range(3 * LONG_READS)))
    assert {answer.status_code for answer in answers} == {200}
    assert most == LONG_READS


def test_one_fault_stands_for_a_list_of_wrong_names(large: Bench) -> None:
    body = {"kind": "pretrain", "corpus": "c", "clips": {"splits": [1] * 1000}}
    answer = large.client.post("/v1/jobs", json=body).json()
    assert [fault["pointer"] for fault in answer["errors"]] == ["/clips/splits/0"]


def test_texts_of_an_answer_are_short(large: Bench) -> None:
    long = "x" * 500_000
    for body in (
        {"kind": "pretrain", "corpus": "c", long: 1},
        {"kind": long},
        {"kind": "pretrain", "corpus": long},
    ):
        assert len(large.client.post("/v1/jobs", json=body).content) < 5000
    assert len(large.client.get(f"/v1/jobs/{long[:60_000]}").content) < 5000


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/jobs", b"{"),
        ("POST", "/v1/jobs", b"[" * 900),
        ("POST", "/v1/jobs", b'{"kind": "nothing"}'),
        ("POST", "/v1/jobs?unknown=1&api_key=sf_1_2", b"{}"),
        ("GET", "/v1/jobs?limit=none", b""),
        ("GET", "/v1/jobs/a%00b", b""),
    ],
)
def test_an_unknown_caller_gets_401_whatever_else_is_wrong(
    bench: Bench, method: str, path: str, body: bytes
) -> None:
    answer = bench.client_with({}).request(method, path, content=body, headers=JSON)
    assert answer.status_code == 401, answer.text
