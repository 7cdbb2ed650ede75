"""Encoders, evaluations, recipes, workers and API keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from core.jobs.database import transaction
from core.jobs.ledger.outcomes import fail, succeed_evaluate
from core.jobs.states import Reason
from core.jobs.workers import Capacity, heartbeat, set_job
from core.specs.jobs import EvaluateSpec
from core.specs.recipes import RECIPES
from tests.api.conftest import SCORES, Bench


@contextmanager
def statements_of(bench: Bench) -> Iterator[list[str]]:
    """The statements that the service sends to its database while the block runs."""
    asked: list[str] = []

    def note(*sent: Any) -> None:
        asked.append(sent[2])

    event.listen(bench.service.engine, "before_cursor_execute", note)
    yield asked
    event.remove(bench.service.engine, "before_cursor_execute", note)


def test_an_encoder_has_its_card_its_scores_and_its_lineage(bench: Bench) -> None:
    corpus_id = bench.make_corpus()
    old, new = bench.make_encoder(corpus_id), bench.make_encoder(corpus_id)
    bench.make_evaluation(corpus_id, new)
    listed = bench.client.get("/v1/encoders?name=encoder").json()["data"]
    assert [(encoder["id"], encoder["version"]) for encoder in listed] == [(new, 2), (old, 1)]
    shown = bench.client.get(f"/v1/encoders/{new}").json()
    assert shown["card"] == {"recipe": "stc"} == bench.client.get(f"/v1/encoders/{new}/card").json()
    assert [evaluation["scores"] for evaluation in shown["evaluations"]] == [SCORES]
    assert shown["corpus_id"] == corpus_id
    for link in shown["links"].values():
        assert bench.client.get(link).status_code == 200
    assert bench.client.get("/v1/encoders?name=other").json()["data"] == []


def test_a_job_leads_to_what_it_made(bench: Bench) -> None:
    corpus_id = bench.make_corpus()
    encoder_id = bench.make_encoder(corpus_id)
    bench.make_evaluation(corpus_id, encoder_id)
    evaluation, training, import_ = bench.client.get("/v1/jobs").json()["data"]
    assert evaluation["result"]["scores"] == SCORES
    assert training["result"]["encoder_id"] == encoder_id
    for job in (evaluation, training, import_):
        leading = [link for name, link in job["links"].items() if name != "retry"]  # an action, not a place
        assert all(bench.client.get(link).status_code == 200 for link in leading)
    assert training["links"]["download"] == f"/v1/encoders/{encoder_id}/download"


def test_one_evaluation_has_its_tables_and_a_list_has_not(bench: Bench) -> None:
    corpus_id = bench.make_corpus()
    encoder_id = bench.make_encoder(corpus_id)
    tables = {
        "per_class": [{"gloss": "book", "num_test": 2, "top1": 0.5}],
        "per_signer": [{"signer": "ada", "num_test": 2, "top1": 0.5, "intervals": {"top1": [0.0, 1.0]}}],
        "per_clip": [
            {"fold": "test", "clip": "1", "signer": "ada", "gloss": "book", "ranks": [1]},
            {"fold": "test", "clip": "2", "signer": "ada", "gloss": "book", "ranks": [2]},
        ],
        "confusions": [["book", "drink", 1]],
    }
    job_id = bench.submit(EvaluateSpec(corpus=corpus_id, encoder=encoder_id))
    bench.write(succeed_evaluate, bench.start().lease, result={"scores": {**SCORES, **tables}})
    with statements_of(bench) as asked:
        (listed,) = bench.client.get("/v1/evaluations").json()["data"]
    assert listed["scores"] == SCORES
    assert not any("per_clip" in each for each in asked), "megabytes that the list would leave out"
    assert bench.client.get(f"/v1/evaluations/{listed['id']}").json()["scores"] == {**SCORES, **tables}
    (shown,) = bench.client.get(f"/v1/encoders/{encoder_id}").json()["evaluations"]
    assert shown["scores"] == SCORES
    result = bench.client.get(f"/v1/jobs/{job_id}").json()["result"]
    assert result == {"evaluation_id": listed["id"], "scores": SCORES}


def test_evaluations_are_found_by_encoder_and_corpus(bench: Bench) -> None:
    corpus_id = bench.make_corpus()
    first, second = bench.make_encoder(corpus_id), bench.make_encoder(corpus_id, name="other")
    bench.make_evaluation(corpus_id, first)
    bench.make_evaluation(corpus_id, second)

    def found(query: str) -> list[str]:
        data = bench.client.get(f"/v1/evaluations?{query}").json()["data"]
        return [evaluation["encoder_id"] for evaluation in data]

    assert found("") == [second, first]
    assert found(f"encoder={first}") == [first] == found("encoder=encoder")
    assert found("corpus=signs") == [second, first] == found(f"corpus={corpus_id}&limit=2")
    assert found("corpus=nothing") == []
    (one,) = bench.client.get(f"/v1/evaluations?encoder={first}").json()["data"]
    assert bench.client.get(f"/v1/evaluations/{one['id']}").json() == one


def test_recipes_show_what_can_be_overridden(bench: Bench) -> None:
    listed = bench.client.get("/v1/recipes").json()["data"]
    assert [recipe["name"] for recipe in listed] == list(RECIPES)
    smoke = bench.client.get("/v1/recipes/smoke").json()
    assert smoke["config"] == RECIPES["smoke"].config.model_dump(mode="json")
    assert all(smoke[field] for field in ("summary", "hardware", "hours", "expected"))


def test_a_worker_tells_its_job_to_its_owner_only(bench: Bench) -> None:
    job_id = bench.submit_import()
    lease = bench.start().lease
    with transaction(bench.service.engine) as session:
        heartbeat(session, "worker-1", host="host", process_id=7, capacity=Capacity())
        set_job(session, "worker-1", job_id)
        heartbeat(session, "worker-2", host="host", process_id=8, capacity=Capacity())
    hers = {worker["name"]: worker for worker in bench.client.get("/v1/workers").json()["data"]}
    assert (hers["worker-1"]["busy"], hers["worker-1"]["job_id"]) == (True, job_id)
    assert (hers["worker-2"]["busy"], hers["worker-2"]["job_id"]) == (False, None)
    his = bench.client_of("ben", "read").get("/v1/workers").json()["data"]
    assert [worker["job_id"] for worker in his] == [None, None]
    assert any(worker["busy"] for worker in his)
    bench.write(fail, lease, reason=Reason.USER_ERROR, message="no")
    assert not any(worker["busy"] for worker in bench.client.get("/v1/workers").json()["data"])


class TestApiKeys:
    def test_a_key_is_made_used_listed_and_revoked(self, bench: Bench) -> None:
        admin = bench.client_of("root", "admin")
        answer = admin.post("/v1/api-keys", json={"owner": "ben"})
        made = answer.json()
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        assert made["scopes"] == ["read", "submit"]
        client = bench.client_with({"Authorization": f"Bearer {made['api_key']}"})
        assert client.get("/v1/jobs").status_code == 200
        listed = admin.get("/v1/api-keys")
        assert made["id"] in [key["id"] for key in listed.json()["data"]]
        assert made["api_key"].split("_")[2] not in listed.text
        for _ in range(2):
            assert admin.delete(f"/v1/api-keys/{made['id']}").status_code == 204
        assert client.get("/v1/jobs").status_code == 401
        assert admin.delete("/v1/api-keys/key_0").status_code == 404

    def test_a_key_ends_when_it_says(self, bench: Bench) -> None:
        admin = bench.client_of("root", "admin")
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        made = admin.post("/v1/api-keys", json={"owner": "ben", "expires_at": later}).json()
        assert datetime.fromisoformat(made["expires_at"]) == datetime.fromisoformat(later)
        past = admin.post("/v1/api-keys", json={"owner": "ben", "expires_at": "2020-01-01T00:00:00Z"})
        assert past.status_code == 422
        assert "in the past" in past.json()["detail"]
        naive = admin.post("/v1/api-keys", json={"owner": "ben", "expires_at": "2035-01-01T00:00:00"})
        assert naive.json()["errors"][0]["pointer"] == "/expires_at"
        for at in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
            answer = admin.post("/v1/api-keys", json={"owner": "ben", "expires_at": at})
            assert answer.status_code == 422
            assert f"{at} is outside of the years 1 to 9999 in UTC" in answer.json()["errors"][0]["detail"]

    def test_a_key_is_rotated_and_both_work_for_a_while(self, bench: Bench) -> None:
        admin = bench.client_of("root", "admin")
        old = admin.post("/v1/api-keys", json={"owner": "ben", "name": "laptop"}).json()
        answer = admin.post(f"/v1/api-keys/{old['id']}/rotate")
        new = answer.json()
        assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
        assert (new["owner"], new["name"], new["scopes"]) == ("ben", "laptop", old["scopes"])
        for made in (old, new):
            client = bench.client_with({"Authorization": f"Bearer {made['api_key']}"})
            assert client.get("/v1/jobs").status_code == 200
        again = admin.post(f"/v1/api-keys/{old['id']}/rotate")
        assert again.status_code == 409
        assert new["id"] in again.json()["detail"]
        assert admin.post("/v1/api-keys/key_0/rotate").status_code == 404

    def test_a_key_rotated_without_grace_ends_at_once(self, bench: Bench) -> None:
        admin = bench.client_of("root", "admin")
        old = admin.post("/v1/api-keys", json={"owner": "ben"}).json()
        assert admin.post(f"/v1/api-keys/{old['id']}/rotate", json={"grace_seconds": 0}).status_code == 201
        client = bench.client_with({"Authorization": f"Bearer {old['api_key']}"})
        assert client.get("/v1/jobs").status_code == 401

    def test_use_is_noted_once_a_minute_and_reads_stay_reads(self, bench: Bench) -> None:
        bench.client.get("/v1/jobs")
        writes: list[str] = []

        def listen(*arguments: Any) -> None:
            writes.extend([arguments[2]] if not arguments[2].lstrip().startswith(("SELECT", "BEGIN")) else [])

        event.listen(bench.service.engine, "before_cursor_execute", listen)
        for _ in range(3):
            assert bench.client.get("/v1/jobs").status_code == 200
        event.remove(bench.service.engine, "before_cursor_execute", listen)
        assert writes == []
        keys = bench.client_of("root", "admin").get("/v1/api-keys").json()["data"]
        (used,) = [key["last_used_at"] for key in keys if key["owner"] == "ada"]
        assert datetime.now(UTC) - datetime.fromisoformat(used) < timedelta(minutes=1)

    def test_a_use_that_cannot_be_noted_fails_no_request(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        with transaction(bench.service.engine) as session:
            session.execute(
                text("CREATE TRIGGER full BEFORE UPDATE ON api_keys BEGIN SELECT RAISE(ABORT, 'full'); END")
            )
        assert bench.client.get("/v1/jobs").status_code == 200
        assert "Cannot record the last use" in caplog.text
