"""Security headers, and logs without secrets."""

import base64
import hashlib
import logging
import re

import httpx
import pytest
from sqlalchemy import text

from core.jobs.database import transaction
from tests.api.conftest import Bench

STRICT = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def guards(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in STRICT}


def test_every_answer_has_them_also_refusals_and_apologies(bench: Bench) -> None:
    anybody, corpus_id = bench.client_with({}), bench.make_corpus()
    encoder_id = bench.make_encoder(corpus_id)
    job_id = bench.submit_import("waiting")
    with transaction(bench.service.engine) as session:
        session.execute(text(f"UPDATE jobs SET spec = '{{damaged' WHERE id = '{job_id}'"))
    for expected, answer in (
        (200, anybody.get("/healthz")),
        (200, anybody.get("/openapi.json")),
        (200, bench.client.get("/v1/recipes")),
        (200, bench.client.get(f"/v1/encoders/{encoder_id}/download")),
        (401, anybody.get("/v1/jobs")),
        (404, anybody.get("/nothing")),
        (405, anybody.delete("/healthz")),
        (422, bench.client.get("/v1/jobs?limit=x")),
        (500, bench.client.get(f"/v1/jobs/{job_id}")),
    ):
        assert answer.status_code == expected
        assert guards(answer) == STRICT
    bench.set(requests_per_minute=1, request_burst=1)
    refused = [bench.client.get("/v1/recipes") for _ in range(2)][-1]
    assert refused.status_code == 429
    assert guards(refused) == STRICT


def test_the_docs_may_run_their_own_scripts_and_no_others(bench: Bench) -> None:
    answer = bench.client_with({}).get("/docs")
    assert guards(answer) | {"content-security-policy": ""} == STRICT | {"content-security-policy": ""}
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    allowed = policy["script-src"].split()
    (inline,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert sorted(allowed) == ["'self'", f"'sha256-{digest}'"]
    assert policy["style-src"] == "'self' 'unsafe-inline'"
    (script,) = re.findall(r'<script src="(.*?)"', answer.text)
    (style,) = re.findall(r'rel="stylesheet" .*?href="(.*?)"', answer.text)
    for name, kind, word in (
        (script, "text/javascript", "SwaggerUIBundle"),
        (style, "text/css", ".swagger-ui"),
    ):
        sent = bench.client_with({}).get(f"/{name}")  # relative to /docs
        assert sent.headers["content-type"].startswith(kind)
        assert word in sent.text
    assert bench.client_with({}).get("/docs/redoc.standalone.js").status_code == 404
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "'self'")
    assert "url: 'openapi.json'" in answer.text
    assert bench.client_with({}).get("/redoc").status_code == 404


def test_no_log_holds_a_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    admin = bench.client_of("root", "admin")
    caplog.set_level(logging.WARNING, "httpx")  # that is the client
    caplog.set_level(logging.INFO, "sqlalchemy.engine")  # DEBUG is rows as they are, for whoever asks for it
    caplog.set_level(logging.DEBUG)
    made = admin.post("/v1/api-keys", json={"owner": "ben"}).json()
    rotated = admin.post(f"/v1/api-keys/{made['id']}/rotate", json={"grace_seconds": 0}).json()
    key = rotated["api_key"]
    for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": key}, {"X-Api-Key": key}):
        bench.client_with(headers).get("/v1/jobs")
    bench.client_with({"Authorization": f"Bearer {key}0"}).get("/v1/jobs")
    bench.client.get("/v1/jobs", params={"api_key": key})
    bench.client.get(f"/v1/jobs/{key}")
    admin.delete(f"/v1/api-keys/{key}")  # the key where its id belongs
    admin.post("/v1/api-keys", json={"owner": "ben", "api_key": key})
    with transaction(bench.service.engine) as session:
        session.execute(
            text("CREATE TRIGGER no BEFORE INSERT ON api_keys BEGIN SELECT RAISE(ABORT, 'no'); END")
        )
    assert admin.post("/v1/api-keys", json={"owner": "ben"}).status_code == 500
    told = admin.get("/v1/audit-trail").text
    assert len(caplog.records) > 50, "there is something to look through"
    assert "INSERT INTO api_keys" in caplog.text
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    for token in (made["api_key"], key, admin.headers["authorization"]):
        secret = token.split("_")[2]
        digest = hashlib.sha256(secret.encode()).hexdigest()
        for place in (logged, told):
            assert secret not in place
            assert digest not in place


@pytest.mark.parametrize("added", ["%20worker=evil", "%0A2026-01-01 00:00:00,000 api INFO all is well", "g"])
def test_what_is_no_job_id_is_none_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture, added: str
) -> None:
    caplog.set_level("INFO", "signforge.api")
    bench.client.get("/v1/jobs/job_1")
    bench.client.get(f"/v1/jobs/job_1{added}")
    said = [vars(record)["about"] for record in caplog.records if record.msg.startswith("%s %s")]
    assert said == [{"job_id": "job_1"}, {}]
