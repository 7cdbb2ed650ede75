"""Webhooks over HTTP: create, list without secrets, test, rotate, delete."""

import logging
from typing import Any

import pytest
from sqlalchemy import text

from core.jobs.database import reading, transaction
from core.jobs.tables.access import WebhookRow
from tests.api.conftest import Bench

URL = "https://example.org/hook"


def make(bench: Bench) -> dict[str, Any]:
    answer = bench.client.post("/v1/webhooks", json={"url": URL})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/webhooks/{made['id']}"
    return made


def test_a_secret_is_shown_once(bench: Bench) -> None:
    made = make(bench)
    assert made["secret"].startswith("whsec_")
    shown = bench.client.get(f"/v1/webhooks/{made['id']}")
    assert shown.json() == {name: value for name, value in made.items() if name != "secret"}
    (listed,) = bench.client.get("/v1/webhooks").json()["data"]
    assert listed == shown.json()


def test_state_changes_are_in_its_log(bench: Bench) -> None:
    made = make(bench)
    job_id = bench.submit_import()
    bench.client.post(f"/v1/jobs/{job_id}/cancel")
    path = made["links"]["deliveries"]
    deliveries = bench.client.get(path).json()["data"]
    changes = [delivery["payload"]["data"] for delivery in deliveries]
    assert [(change["job_id"], change["to"]) for change in changes] == [
        (job_id, "cancelled"),
        (job_id, "queued"),
    ]
    assert {delivery["state"] for delivery in deliveries} == {"pending"}
    page = bench.client.get(f"{path}?limit=1")
    assert page.json()["data"] == deliveries[:1]
    following = bench.client.get(page.links["next"]["url"])
    assert following.json()["data"] == deliveries[1:]


def test_a_test_message_is_queued(bench: Bench) -> None:
    made = make(bench)
    answer = bench.client.post(f"/v1/webhooks/{made['id']}/test")
    assert (answer.status_code, answer.json()["type"]) == (202, "webhook.test")
    assert bench.client.get(made["links"]["deliveries"]).json()["data"] == [answer.json()]


def test_rotation_shows_another_secret(bench: Bench) -> None:
    made = make(bench)
    path = f"/v1/webhooks/{made['id']}/rotate"
    answer = bench.client.post(path, json={"grace_seconds": 60})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    with reading(bench.service.engine) as session:
        row = session.get_one(WebhookRow, made["id"])
    assert (row.secret, row.old_secret) == (answer.json()["secret"], made["secret"])


def test_a_deleted_one_is_gone_with_its_log(bench: Bench) -> None:
    made = make(bench)
    bench.submit_import()
    here = f"/v1/webhooks/{made['id']}"
    for _ in range(2):
        assert bench.client.delete(here).status_code == 204
    for path in (here, f"{here}/deliveries"):
        assert bench.client.get(path).status_code == 404
    for action in ("test", "rotate"):
        assert bench.client.post(f"{here}/{action}").status_code == 404
    assert bench.client.get("/v1/webhooks").json()["data"] == []
    with reading(bench.service.engine) as session:
        assert session.execute(text("SELECT count(*) FROM webhook_deliveries")).scalar_one() == 0


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "example.org",
        "https://ada:secret@example.org/",
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://169.254.169.254/latest",
        "https://example.org/" + "x" * 2100,
    ],
)
def test_a_url_that_will_not_do_is_refused(bench: Bench, url: str) -> None:
    answer = bench.client.post("/v1/webhooks", json={"url": url})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/url"]
    assert bench.client.get("/v1/webhooks").json()["data"] == []


def test_private_targets_can_be_allowed(bench: Bench) -> None:
    bench.set(webhook_private_targets=True)
    assert bench.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}).status_code == 201


def test_they_are_their_owners(bench: Bench) -> None:
    made = make(bench)
    here = f"/v1/webhooks/{made['id']}"
    stranger = bench.client_of("ben", "admin")
    assert stranger.get("/v1/webhooks").json()["data"] == []
    for method, path in (
        ("GET", here),
        ("DELETE", here),
        ("GET", f"{here}/deliveries"),
        ("POST", f"{here}/test"),
        ("POST", f"{here}/rotate"),
    ):
        assert stranger.request(method, path).status_code == 404
    reader = bench.client_of("ada", "read")
    assert reader.get(here).status_code == 200
    assert reader.post("/v1/webhooks", json={"url": URL}).status_code == 403
    assert reader.delete(here).status_code == 403


def test_there_is_a_limit(bench: Bench) -> None:
    for _ in range(20):
        make(bench)
    answer = bench.client.post("/v1/webhooks", json={"url": URL})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:signforge:problem:too-many-webhooks")


def test_no_log_holds_a_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "httpx")
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    caplog.set_level(logging.DEBUG)
    made = make(bench)
    rotated = bench.client.post(f"/v1/webhooks/{made['id']}/rotate").json()
    with transaction(bench.service.engine) as session:
        session.execute(
            text("CREATE TRIGGER no BEFORE UPDATE ON webhooks BEGIN SELECT RAISE(ABORT, 'no'); END")
        )
    assert bench.client.post(f"/v1/webhooks/{made['id']}/rotate").status_code == 500
    told = caplog.text + bench.client_of("root", "admin").get("/v1/audit-trail").text
    assert "UPDATE webhooks SET secret" in told
    for secret in (made["secret"], rotated["secret"]):
        assert secret.removeprefix("whsec_") not in told
