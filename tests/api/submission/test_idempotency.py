"""Idempotency keys: repeated and concurrent creation requests create one resource."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
