"""Audit trail: every changing request has an entry, also a refused one, and no entry has a secret."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from core.jobs.audit_trail import Change, record
from core.jobs.database import transaction
from tests.api.conftest import Bench


@pytest.fixture
def admin(bench: Bench) -> httpx.Client:
    return bench.client_of("root", "admin")


def trail(admin: httpx.Client, query: str = "") -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = admin.get(f"/v1/audit-trail{query}").json()["data"]
    return data


def test_a_change_says_who_what_and_from_where(bench: Bench, admin: httpx.Client) -> None:
    answer = bench.client.post("/v1/uploads?filename=a", content=b"x")
    (entry,) = trail(admin)
    assert entry["owner"] == "ada"
    assert bench.client.headers["authorization"].split("_")[1] in entry["api_key_id"]
    assert (entry["action"], entry["status"]) == ("create_upload", 201)
    assert entry["resource"] == answer.headers["location"]
    assert entry["request_id"] == answer.headers["x-request-id"]
    assert entry["client_address"] == "127.0.0.1"


def test_reading_leaves_no_trace(bench: Bench, admin: httpx.Client) -> None:
    bench.client.get("/v1/jobs")
    bench.client.get("/v1/jobs/job_0")
    bench.client_with({}).get("/v1/jobs")
    assert trail(admin) == []


def test_refused_changes_leave_one_too(bench: Bench, admin: httpx.Client) -> None:
    bench.make_corpus()
    job_id = bench.client.get("/v1/jobs").json()["data"][0]["id"]
    bench.set(max_queued_per_owner=1)
    bench.submit_import("waiting")
    training = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"}
    reader = bench.client_of("ben", "read")
    cases = (
        (401, bench.client_with({}).post("/v1/jobs", json=training)),
        (401, bench.client_with({"Authorization": "Bearer sf_1_2"}).delete("/v1/api-keys/key_1")),
        (403, reader.post("/v1/jobs", json=training)),
        (404, bench.client.post("/v1/jobs/job_0/cancel")),
        (409, bench.client.post(f"/v1/jobs/{job_id}/cancel")),
        (413, bench.client.post("/v1/uploads?filename=a", content=b"x" * 100_001)),
        (422, bench.client.post("/v1/jobs", json={"kind": "pretrain"})),
        (429, bench.client.post("/v1/jobs", json=training)),
    )
    for (expected, answer), entry in zip(cases, reversed(trail(admin)), strict=True):
        assert answer.status_code == expected
        assert (entry["status"], entry["request_id"]) == (expected, answer.headers["x-request-id"])
        assert entry["owner"] == {401: None, 403: "ben"}.get(expected, "ada")
        assert (entry["api_key_id"] is None) == (expected == 401)


def test_a_body_that_is_no_json_leaves_one_too(bench: Bench, admin: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    assert bench.client.post("/v1/jobs", content=b"{", headers=headers).status_code == 422
    (entry,) = trail(admin)
    assert (entry["action"], entry["status"], entry["owner"]) == ("submit_job", 422, "ada")


def test_where_nothing_is_nothing_can_change(bench: Bench, admin: httpx.Client) -> None:
    assert bench.client.post("/v1/nothing").status_code == 404
    assert trail(admin) == []


@pytest.mark.parametrize("path", ["/v1/uploads", "/v1/jobs"])
def test_a_client_that_goes_away_is_told_from_one_that_got_its_answer(
    bench: Bench, admin: httpx.Client, path: str
) -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def unheard(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"filename=a" if path == "/v1/uploads" else b"",
        "headers": [(b"authorization", bench.client.headers["authorization"].encode())],
        "client": ("10.0.0.1", 1),
    }
    bench.portal.call(bench.app, scope, gone, unheard)
    (entry,) = trail(admin)
    assert (entry["status"], entry["owner"], entry["client_address"]) == (499, "ada", "10.0.0.1")


def test_a_trail_that_cannot_be_written_changes_no_answer(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction(bench.service.engine) as session:
        session.execute(text("DROP TABLE audit_entries"))
    answer = bench.client.post("/v1/uploads?filename=a", content=b"x")
    assert answer.status_code == 201
    assert bench.client.get(answer.headers["location"]).status_code == 200
    assert "Cannot write to the audit trail" in caplog.text
    assert answer.headers["location"] in caplog.text, "the log has what the trail lacks"


def test_no_request_waits_for_a_trail_that_fails_in_any_way(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("There are no more files.")

    engine = create_engine("sqlite://", creator=fail)
    changes = [_change(f"/v1/jobs/job_{number}") for number in range(3)]

    async def write() -> None:
        async with asyncio.timeout(30):
            await asyncio.gather(*(bench.service.audit.write(engine, change) for change in changes))

    bench.portal.call(write)
    assert all(change.resource in caplog.text for change in changes)


def test_an_address_of_any_length_leaves_the_others_in_the_trail(bench: Bench, admin: httpx.Client) -> None:
    with transaction(bench.service.engine) as session:
        record(session, [_change("/v1/jobs/job_1", client_address="1" * 10_000)])
    assert trail(admin)[0]["client_address"] == "1" * 200, "PostgreSQL takes no more"


def test_it_is_for_administrators_and_comes_in_pages(bench: Bench, admin: httpx.Client) -> None:
    assert bench.client.get("/v1/audit-trail").status_code == 403
    for index in range(5):
        bench.client.post(f"/v1/jobs/job_{index}/cancel")
    bench.client_of("ben", "submit").post("/v1/jobs/job_9/pause")
    assert [entry["resource"] for entry in _all(admin, "/v1/audit-trail?limit=2&owner=ada")] == [
        f"/v1/jobs/job_{index}/cancel" for index in reversed(range(5))
    ]
    assert [entry["owner"] for entry in trail(admin, "?action=pause_job")] == ["ben"]


def test_no_secret_and_no_body_is_in_it(bench: Bench, admin: httpx.Client) -> None:
    made = admin.post("/v1/api-keys", json={"owner": "ben", "name": "a-name-in-a-body"}).json()
    admin.post(f"/v1/api-keys/{made['id']}/rotate")
    told = admin.get("/v1/audit-trail").text
    assert made["id"] in told
    for secret in (made["api_key"], made["api_key"].split("_")[2], "a-name-in-a-body", "grace"):
        assert secret not in told


def _change(resource: str, *, client_address: str | None = None) -> Change:
    return Change("cancel_job", resource, "req_1", 200, "ada", "key_1", client_address)


def _all(client: httpx.Client, where: str) -> Iterator[dict[str, Any]]:
    while where:
        answer = client.get(where)
        yield from answer.json()["data"]
        where = answer.links.get("next", {}).get("url", "")
