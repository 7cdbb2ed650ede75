"""Idempotency keys: repeated and concurrent creation requests create one resource."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest

from core.jobs.database import now, transaction
from core.jobs.tables.access import IdempotencyKeyRow
from core.specs.jobs import EvaluateSpec
from tests.api.conftest import Bench

PRETRAIN: dict[str, Any] = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"}


def test_a_replay_returns_what_the_first_one_made(bench: Bench) -> None:
    bench.make_corpus()
    headers = {"Idempotency-Key": "monday"}
    first = bench.client.post("/v1/jobs", json=PRETRAIN, headers=headers)
    again = bench.client.post("/v1/jobs", json=dict(reversed(PRETRAIN.items())), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    assert len(bench.client.get("/v1/jobs?kind=pretrain").json()["data"]) == 1


def test_another_body_under_the_same_key_is_refused(bench: Bench) -> None:
    bench.make_corpus()
    headers = {"Idempotency-Key": "monday"}
    first = bench.client.post("/v1/jobs", json=PRETRAIN, headers=headers).json()
    answer = bench.client.post("/v1/jobs", json=PRETRAIN | {"recipe": "stc"}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:signforge:problem:idempotency-key-reused"
    assert first["id"] in answer.json()["detail"]
    elsewhere = bench.client.post("/v1/uploads?filename=a", content=b"x", headers=headers)
    assert elsewhere.status_code == 422
    assert not list((bench.settings.artifacts_folder / "uploads").iterdir())


def test_a_refused_request_does_not_use_up_its_key(bench: Bench) -> None:
    headers = {"Idempotency-Key": "monday"}
    assert bench.client.post("/v1/jobs", json=PRETRAIN, headers=headers).status_code == 422
    bench.make_corpus()
    answer = bench.client.post("/v1/jobs", json=PRETRAIN, headers=headers)
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers


def test_keys_of_two_owners_do_not_meet(bench: Bench) -> None:
    bench.make_corpus()
    bench.make_corpus(owner="ben")
    headers = {"Idempotency-Key": "monday"}
    hers = bench.client.post("/v1/jobs", json=PRETRAIN, headers=headers).json()
    his = bench.client_of("ben", "submit").post("/v1/jobs", json=PRETRAIN, headers=headers).json()
    assert hers["id"] != his["id"]


def test_twins_sent_at_once_make_one_job(bench: Bench) -> None:
    bench.make_corpus()
    headers = {"Idempotency-Key": "monday"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: bench.client.post("/v1/jobs", json=PRETRAIN, headers=headers), range(8))
        )
    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


def test_a_replayed_upload_keeps_one_file(bench: Bench) -> None:
    headers = {"Idempotency-Key": "file"}
    first, again = (
        bench.client.post("/v1/uploads?filename=a.npz", content=b"poses", headers=headers) for _ in range(2)
    )
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert len(list((bench.settings.artifacts_folder / "uploads").iterdir())) == 1


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("", "Terms(priority=0, deadline_seconds=None)"),
        ("?priority=-5&deadline_seconds=60", "Terms(priority=-5, deadline_seconds=60.0)"),
    ],
)
def test_a_retry_that_was_sent_to_version_0_1_0_is_recognised(bench: Bench, query: str, terms: str) -> None:
    job_id = _cancelled(bench)
    made = bench.client.post(f"/v1/jobs/{job_id}/retry{query}").json()["id"]
    _used_in_0_1_0(bench, f"retry {job_id} {terms}", made)
    again = bench.client.post(f"/v1/jobs/{job_id}/retry{query}", headers={"Idempotency-Key": "monday"})
    assert (again.status_code, again.headers.get("idempotency-replayed")) == (201, "true"), again.text
    assert again.json()["id"] == made


def test_a_job_with_a_priority_that_was_sent_to_version_0_1_0_is_recognised(bench: Bench) -> None:
    job_id, spec = _cancelled(bench), EvaluateSpec(corpus="signs", features="keypoints")
    content = f"{spec.model_dump_json()}Terms(priority=-5, deadline_seconds=None)"
    _used_in_0_1_0(bench, content, job_id)
    headers = {"Idempotency-Key": "monday"}
    again = bench.client.post("/v1/jobs?priority=-5", json=spec.model_dump(mode="json"), headers=headers)
    assert (again.status_code, again.json()["id"]) == (201, job_id), again.text


def _cancelled(bench: Bench) -> str:
    job_id = bench.submit_import()
    bench.client.post(f"/v1/jobs/{job_id}/cancel")
    return job_id


def _used_in_0_1_0(bench: Bench, content: str, job_id: str) -> None:
    """Store the key `monday` as version 0.1.0 did, which called the scheduling options `Terms`."""
    with transaction(bench.service.engine) as session:
        row = IdempotencyKeyRow(
            owner="ada", key="monday", request_sha256=sha256(content.encode()).hexdigest(), resource_id=job_id
        )
        row.created_at = now(session)
        session.add(row)
