"""Jobs over HTTP: submit, get, wait, cancel, pause, resume, retry."""

import time
from datetime import datetime
from io import StringIO
from threading import Timer
from typing import Any

import httpx
import pytest

from api.documents.openapi import job_examples
from core.encoders.footprint import footprint
from core.jobs.database import transaction
from core.jobs.ledger.outcomes import (
    EncoderFile,
    confirm_cancelled,
    confirm_paused,
    fail,
    succeed_import,
    succeed_pretrain,
)
from core.jobs.ledger.reports import Point, commit_checkpoint, record_metrics, report_progress
from core.jobs.states import Reason
from core.jobs.tables.artifacts import CorpusRow
from core.specs.recipes import RECIPES
from tests.api.conftest import CORPUS_RESULT, Bench
from tests.core.jobs.arranging import set_fields


def pretrain(**fields: Any) -> dict[str, Any]:
    return {"kind": "pretrain", "corpus": "signs", "recipe": "smoke", **fields}


def transfer(**changes: Any) -> dict[str, Any]:
    """Fit on a corpus, score on the same as if it were another."""
    keypoints = {"kind": "evaluate", "corpus": "signs", "features": "keypoints"}
    return {**keypoints, "test_corpus": "signs", **changes}


def fault(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    (only,) = response.json()["errors"]
    return dict(only)


class TestSubmission:
    def test_a_job_is_queued_with_ids_and_its_resolved_recipe(self, bench: Bench) -> None:
        corpus_id = bench.make_corpus()
        answer = bench.client.post("/v1/jobs", json=pretrain(overrides={"run": {"seed": 3}}))
        assert answer.status_code == 201, answer.text
        job = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
        assert answer.headers["etag"] == bench.client.get(f"/v1/jobs/{job['id']}").headers["etag"]
        assert (job["state"], job["queue_position"], job["name"]) == ("queued", 1, "encoder")
        assert job["spec"]["corpus"] == corpus_id
        assert job["resolved_spec"]["run"]["seed"] == 3
        expected = RECIPES["smoke"].config.model_dump(mode="json")
        expected["run"]["seed"] = 3
        assert job["resolved_spec"] == expected
        assert job["created_at"].endswith("Z")

    def test_every_example_of_the_document_is_accepted(self, bench: Bench) -> None:
        upload = bench.client.post("/v1/uploads?filename=a.npz", content=b"poses").json()
        corpus_id = bench.make_corpus("my-signs")
        bench.make_encoder(corpus_id, name="my-encoder")
        for example in job_examples().values():
            body = dict(example["value"])
            if body["kind"].startswith("import"):
                body |= {"source": upload["id"], "name": "another"}
            answer = bench.client.post("/v1/jobs", json=body)
            assert answer.status_code == 201, answer.text
            assert answer.json()["kind"] == body["kind"]

    def test_an_evaluation_takes_the_newest_version_of_a_name(self, bench: Bench) -> None:
        corpus_id = bench.make_corpus()
        bench.make_encoder(corpus_id)
        newest = bench.make_encoder(corpus_id)
        body = {"kind": "evaluate", "corpus": "signs", "encoder": "encoder"}
        job = bench.client.post("/v1/jobs", json=body).json()
        assert job["spec"]["encoder"] == newest
        assert job["name"] == f"knn of {newest}"

    def test_a_second_corpus_is_looked_up_like_the_first(self, bench: Bench) -> None:
        first, second = bench.make_corpus(), bench.make_corpus("others")
        theirs = bench.make_corpus("theirs", owner="ben")
        job = bench.client.post("/v1/jobs", json=transfer(test_corpus="others")).json()
        assert (job["spec"]["corpus"], job["spec"]["test_corpus"]) == (first, second)
        assert bench.client.post("/v1/jobs", json=transfer(test_corpus=theirs)).status_code == 422

    def test_corpora_that_share_no_gloss_are_refused_at_once(self, bench: Bench) -> None:
        bench.make_corpus()
        other = bench.make_corpus("others")
        with transaction(bench.service.engine) as session:
            row = session.get_one(CorpusRow, other)
            row.summary = {**row.summary, "label_names": ["livre"]}
        answer = bench.client.post("/v1/jobs", json=transfer(test_corpus="others"))
        assert answer.status_code == 422
        found = fault(answer)
        assert (found["pointer"], found["code"]) == ("/test_corpus", "no_shared_gloss")
        assert "the first has book, drink, the other livre" in found["detail"]

    def test_an_audit_is_named_after_its_corpus(self, bench: Bench) -> None:
        corpus_id = bench.make_corpus()
        body = {"kind": "leak_audit", "corpus": "signs", "folds": "random"}
        job = bench.client.post("/v1/jobs", json=body).json()
        assert (job["name"], job["spec"]["corpus"]) == (f"leak audit of {corpus_id}", corpus_id)
        assert len(bench.client.get("/v1/jobs?kind=leak_audit").json()["data"]) == 1

    def test_a_dry_run_says_what_would_be_and_leaves_nothing(self, bench: Bench) -> None:
        bench.make_corpus()
        bench.submit_import("waiting")
        answer = bench.client.post("/v1/jobs?dry_run=true", json=pretrain())
        assert answer.status_code == 200
        assert answer.json()["queue_position"] == 2
        assert answer.json()["resolved_spec"]["recipe"] == "smoke"
        assert bench.client.get("/v1/jobs?kind=pretrain").json()["data"] == []
        assert "none is up" in answer.json()["waits_for"]
        assert bench.client.post("/v1/jobs?dry_run=true", json=pretrain(recipe="smok")).status_code == 422


class TestEstimate:
    def test_a_dry_run_tells_sizes_steps_and_after_a_like_run_the_time(self, bench: Bench) -> None:
        corpus_id = bench.make_corpus()  # 64 clips to train on, 32 to test
        run = {"batch_size": 32, "num_epochs": 10}
        wish = pretrain(overrides={"run": run})
        first = bench.client.post("/v1/jobs?dry_run=true", json=wish).json()["estimate"]
        smoke = footprint(RECIPES["smoke"].config)
        assert (first["num_parameters"], first["checkpoint_bytes"]) == (
            smoke.num_parameters,
            smoke.checkpoint_bytes,
        )
        assert (first["num_steps"], first["duration_seconds"]) == (20, None)
        bench.client.post("/v1/jobs", json=wish)
        claimed = bench.start()
        progress = {"phase": "training", "metrics": {"samples_per_second": 8.0}}
        bench.write(report_progress, claimed.lease, progress)
        encoder = EncoderFile("enc_1", "encoders/enc_1", "d", 1, {})
        bench.write(succeed_pretrain, claimed.lease, encoder=encoder, result={})
        again = bench.client.post("/v1/jobs?dry_run=true", json=wish).json()["estimate"]
        assert again["duration_seconds"] == 20 * 32 / 8.0
        other = pretrain(overrides={"run": {**run, "batch_size": 4}}, corpus=corpus_id)
        assert (
            bench.client.post("/v1/jobs?dry_run=true", json=other).json()["estimate"]["duration_seconds"]
            is None
        )

    def test_a_selection_by_signer_does_not_tell_the_steps(self, bench: Bench) -> None:
        bench.make_corpus()
        chosen = bench.client.post("/v1/jobs?dry_run=true", json=pretrain(clips={"signers": ["ada"]})).json()
        assert chosen["estimate"]["num_steps"] is None
        evaluation = {"kind": "evaluate", "corpus": "signs", "features": "keypoints"}
        assert bench.client.post("/v1/jobs?dry_run=true", json=evaluation).json()["estimate"] is None


class TestTerms:
    def test_priority_and_deadline_are_kept_and_shown(self, bench: Bench) -> None:
        bench.make_corpus()
        admin = bench.client_of("ada", "admin")
        job = admin.post("/v1/jobs?priority=7&deadline_seconds=60", json=pretrain()).json()
        assert job["priority"] == 7
        seconds = datetime.fromisoformat(job["deadline_at"]) - datetime.fromisoformat(job["created_at"])
        assert seconds.total_seconds() == 60
        assert "none is up" in job["waits_for"]
        low = bench.client.post("/v1/jobs?priority=-7", json=pretrain()).json()
        assert (low["priority"], low["queue_position"], low["deadline_at"]) == (-7, 2, None)
        assert low["spec"] == job["spec"], "the same work"
        in_the_body = bench.client.post("/v1/jobs", json=pretrain(priority=-7))
        assert (in_the_body.status_code, fault(in_the_body)["pointer"]) == (422, "/priority")

    def test_a_priority_above_zero_takes_an_administrator(self, bench: Bench) -> None:
        bench.make_corpus()
        answer = bench.client.post("/v1/jobs?priority=1", json=pretrain())
        assert answer.status_code == 403
        assert "Priority 1" in answer.json()["detail"]

    @pytest.mark.parametrize(
        "query",
        [
            *("priority=101", "priority=high", "deadline_seconds=0"),
            *("deadline_seconds=1e12", "deadline_seconds=inf", "deadline_seconds=nan"),
        ],
    )
    def test_terms_out_of_bounds_are_refused(self, bench: Bench, query: str) -> None:
        bench.make_corpus()
        answer = bench.client.post(f"/v1/jobs?{query}", json=pretrain())
        assert answer.status_code == 422
        assert fault(answer)["pointer"] == f"/{query.split('=')[0]}"

    def test_other_terms_under_one_idempotency_key_are_another_request(self, bench: Bench) -> None:
        bench.make_corpus()
        keyed = {"Idempotency-Key": "k"}
        first = bench.client.post("/v1/jobs?priority=-1", json=pretrain(), headers=keyed)
        again = bench.client.post("/v1/jobs?priority=-1", json=pretrain(), headers=keyed)
        assert again.json()["id"] == first.json()["id"]
        assert bench.client.post("/v1/jobs", json=pretrain(), headers=keyed).status_code == 422


class TestQuota:
    def test_a_full_queue_is_429_with_the_limit_and_what_to_do(self, bench: Bench) -> None:
        bench.make_corpus()
        bench.set(max_queued_per_owner=2)
        for _ in range(2):
            assert bench.client.post("/v1/jobs", json=pretrain()).status_code == 201
        answer = bench.client.post("/v1/jobs", json=pretrain())
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert "SIGNFORGE_MAX_QUEUED_PER_OWNER" in answer.json()["detail"]
        assert bench.client_of("ben", "submit").get("/v1/jobs").status_code == 200
        assert len(bench.client.get("/v1/jobs?state=queued").json()["data"]) == 2

    def test_stored_bytes_are_counted_over_everything(self, bench: Bench) -> None:
        corpus_id = bench.make_corpus()  # 3 bytes
        bench.make_encoder(corpus_id, content=b"weights")  # 7 bytes
        bench.set(max_stored_bytes_per_owner=20)
        assert bench.client.post("/v1/uploads?filename=a", content=bytes(11)).status_code == 413
        assert bench.client.post("/v1/uploads?filename=a", content=bytes(10)).status_code == 201
        answer = bench.client.post("/v1/jobs", json=pretrain())
        assert answer.status_code == 413
        assert "20 bytes" in answer.json()["detail"]
        folders = list((bench.service.store.folder / "uploads").iterdir())
        assert len(folders) == 1, "what was refused is not kept"


class TestRetry:
    def test_a_failed_job_is_retried_as_a_new_one(self, bench: Bench) -> None:
        bench.make_corpus()
        old = bench.client.post("/v1/jobs", json=pretrain(overrides={"run": {"seed": 5}})).json()
        early = bench.client.post(f"/v1/jobs/{old['id']}/retry")
        assert early.status_code == 409
        assert early.json()["state"] == "queued"
        bench.write(fail, bench.start().lease, reason=Reason.STALLED, message="silence")
        answer = bench.client.post(f"/v1/jobs/{old['id']}/retry")
        new = answer.json()
        assert (answer.status_code, new["state"], new["retry_of"]) == (201, "queued", old["id"])
        assert answer.headers["location"] == f"/v1/jobs/{new['id']}"
        assert (new["spec"], new["resolved_spec"]) == (old["spec"], old["resolved_spec"])
        assert bench.client.post(f"/v1/jobs/{old['id']}/retry").json()["id"] == new["id"]
        bench.write(fail, bench.start().lease, reason=Reason.STALLED, message="silence")
        assert bench.client.post(f"/v1/jobs/{old['id']}/retry").json()["id"] != new["id"]

    def test_somebody_elses_job_is_not_there(self, bench: Bench) -> None:
        job_id = bench.submit_import(owner="ben")
        assert bench.client.post(f"/v1/jobs/{job_id}/retry").status_code == 404

    def test_a_job_of_an_unknown_kind_is_refused(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        bench.client.post(f"/v1/jobs/{job_id}/cancel")
        set_fields(bench.service.engine, job_id, kind="newer")
        answer = bench.client.post(f"/v1/jobs/{job_id}/retry")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:signforge:problem:unknown-kind")
        assert "does not know its kind 'newer'; it knows: import" in answer.json()["detail"]
        assert len(bench.client.get("/v1/jobs").json()["data"]) == 1


class TestRefusal:
    def test_an_unknown_recipe_gets_the_near_one(self, bench: Bench) -> None:
        bench.make_corpus()
        answer = bench.client.post("/v1/jobs", json=pretrain(recipe="smok"))
        assert answer.status_code == 422
        found = fault(answer)
        assert found["pointer"] == "/recipe"
        assert "'smok'" in found["detail"]
        assert "Did you mean 'smoke'?" in found["detail"]

    @pytest.mark.parametrize(
        ("body", "pointer", "telling"),
        [
            (pretrain(recipie="stc"), "/recipie", "Did you mean 'recipe'?"),
            (pretrain(clips={"signer": ["ada"]}), "/clips/signer", "Did you mean 'signers'?"),
            (pretrain(overrides={"run": {"sed": 1}}), "/overrides/run/sed", "Did you mean 'seed'?"),
            (pretrain(overrides={"run": {"num_epochs": 0}}), "/overrides/run/num_epochs", "got 0"),
            (
                pretrain(clips={"signers": ["adda"]}),
                "/clips/signers/0",
                "Corpus 'signs' has no signer 'adda'. Did you mean 'ada'?",
            ),
            (
                pretrain(clips={"splits": ["dev"]}),
                "/clips/splits/0",
                "Corpus 'signs' has no split 'dev'. There are: train, test.",
            ),
            (
                pretrain(clips={"exclude_labels": ["x"]}),
                "/clips/exclude_labels/0",
                "Corpus 'signs' has no gloss 'x'.",
            ),
            (pretrain(corpus="sings"), "/corpus", "Did you mean 'signs'?"),
            ({"kind": "pretrain"}, "/corpus", "missing"),
            ({"kind": "pretain", "corpus": "x"}, "/kind", "Did you mean 'pretrain'?"),
            ({"corpus": "x"}, "/kind", "import, pretrain, evaluate, import_encoder, leak_audit"),
            ({"kind": "evaluate", "corpus": "signs"}, "", "need `encoder`"),
            ({"kind": "evaluate", "corpus": "signs", "encoder": "x"}, "/encoder", "a pretraining job"),
            ({"kind": "evaluate", "corpus": "signs", "protocol": "svm"}, "/protocol", "got 'svm'"),
            (transfer(test_corpus="sings"), "/test_corpus", "Did you mean 'signs'?"),
            (transfer(test_clips={"splits": ["dev"]}), "/test_clips/splits/0", "train, test"),
            (transfer(fine_tune={"num_epoch": 3}), "/fine_tune/num_epoch", "Did you mean 'num_epochs'?"),
            (transfer(label_fraction=1.5), "/label_fraction", "got 1.5"),
            ({"kind": "leak_audit", "corpus": "signs", "folds": "rand"}, "/folds", "Did you mean 'random'?"),
            (
                {"kind": "leak_audit", "corpus": "signs", "clips": {"signers": ["adda"]}},
                "/clips/signers/0",
                "ada",
            ),
            ({"kind": "import", "name": "a", "source": "upl_none"}, "/source", "upl_none"),
        ],
    )
    def test_a_fault_names_the_field_and_what_to_change(
        self, bench: Bench, body: dict[str, Any], pointer: str, telling: str
    ) -> None:
        bench.make_corpus()
        answer = bench.client.post("/v1/jobs", json=body)
        assert answer.status_code == 422, answer.text
        found = fault(answer)
        assert found["pointer"] == pointer
        assert telling in found["detail"]
        assert bench.client.get("/v1/jobs?state=queued").json()["data"] == []

    def test_a_corpus_name_is_taken_from_the_submission_on(self, bench: Bench) -> None:
        upload = bench.client.post("/v1/uploads?filename=a.npz", content=b"poses").json()
        body = {"kind": "import", "name": "signs", "source": upload["id"]}
        first = bench.client.post("/v1/jobs", json=body).json()
        again = bench.client.post("/v1/jobs", json=body)
        assert again.status_code == 409
        assert first["id"] in fault(again)["detail"]
        bench.client.post(f"/v1/jobs/{first['id']}/cancel")
        assert bench.client.post("/v1/jobs", json=body).status_code == 201


class TestLooking:
    def test_a_known_state_is_not_sent_again(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        answer = bench.client.get(f"/v1/jobs/{job_id}")
        tag = answer.headers["etag"]
        for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = bench.client.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": header})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        bench.start()
        changed = bench.client.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.json()["state"] == "running"

    def test_the_tag_moves_with_the_place_in_line(self, bench: Bench) -> None:
        bench.submit_import("first")
        second = bench.submit_import("second")
        tag = bench.client.get(f"/v1/jobs/{second}").headers["etag"]
        bench.write(fail, bench.start().lease, reason=Reason.DATA_UNUSABLE, message="no poses")
        moved = bench.client.get(f"/v1/jobs/{second}?wait=20", headers={"If-None-Match": tag})
        assert moved.json()["queue_position"] == 1

    def test_a_long_poll_answers_when_the_job_changes(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        tag = bench.client.get(f"/v1/jobs/{job_id}").headers["etag"]
        timer = Timer(0.4, bench.start)
        timer.start()
        began = time.monotonic()
        answer = bench.client.get(f"/v1/jobs/{job_id}?wait=30", headers={"If-None-Match": tag})
        took = time.monotonic() - began
        timer.join()
        assert answer.json()["state"] in ("starting", "running")
        assert 0.3 < took < 10

    def test_a_long_poll_ends_with_its_time(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        tag = bench.client.get(f"/v1/jobs/{job_id}").headers["etag"]
        began = time.monotonic()
        answer = bench.client.get(f"/v1/jobs/{job_id}?wait=0.5", headers={"If-None-Match": tag})
        assert answer.status_code == 304
        assert time.monotonic() - began >= 0.5
        unfinished = bench.client.get(f"/v1/jobs/{job_id}?wait=0.2")
        assert unfinished.json()["state"] == "queued"
        assert bench.client.get(f"/v1/jobs/{job_id}?wait=61").status_code == 422

    def test_without_a_tag_a_long_poll_waits_for_the_end(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        lease = bench.start().lease
        report = {"corpus_id": "cor_1", "location": "c", "size_bytes": 3, "result": CORPUS_RESULT}
        timer = Timer(0.3, lambda: bench.write(succeed_import, lease, **report))
        timer.start()
        job = bench.client.get(f"/v1/jobs/{job_id}?wait=30").json()
        timer.join()
        assert job["state"] == "succeeded"
        assert job["links"]["corpus"] == "/v1/corpora/cor_1"
        assert "cancel" not in job["links"]

    def test_filters(self, bench: Bench) -> None:
        bench.make_corpus()
        waiting = bench.submit_import("waiting")

        def ids(query: str) -> list[str]:
            return [job["id"] for job in bench.client.get(f"/v1/jobs?{query}").json()["data"]]

        assert ids("state=queued") == [waiting]
        assert len(ids("state=succeeded&kind=import")) == 1
        assert ids("kind=pretrain") == []
        misspelt = bench.client.get("/v1/jobs?stat=queued")
        assert misspelt.status_code == 422
        assert fault(misspelt)["location"] == "query"


class TestWhileItRuns:
    def test_progress_metrics_checkpoints_and_attempts(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        lease = bench.start().lease
        bench.write(report_progress, lease, {"phase": "training", "step": 2, "total_steps": 4})
        points = [Point(step, {"loss": 1 / step, "rate": 0.1}) for step in (1, 2, 3)]
        bench.write(record_metrics, lease, points)
        manifest = {"step": 3, "files": {}}
        row = bench.write(
            commit_checkpoint, lease, step=3, location="jobs/x", manifest=manifest, size_bytes=9
        )
        here = f"/v1/jobs/{job_id}"
        assert bench.client.get(here).json()["progress"]["phase"] == "training"
        losses = bench.client.get(f"{here}/metrics?name=loss&after_step=1").json()
        assert [(m["step"], m["value"]) for m in losses["data"]] == [(2, 0.5), (3, 1 / 3)]
        assert (losses["next_after_step"], losses["has_more"]) == (3, False)
        assert len(bench.client.get(f"{here}/metrics").json()["data"]) == 6
        (checkpoint,) = bench.client.get(f"{here}/checkpoints").json()["data"]
        assert checkpoint == bench.client.get(f"/v1/checkpoints/{row.id}").json()
        assert checkpoint["manifest"] == manifest
        (attempt,) = bench.client.get(f"{here}/attempts").json()["data"]
        assert (attempt["attempt"], attempt["worker"], attempt["ended_at"]) == (1, "worker-1", None)

    def test_numbers_come_in_whole_steps(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        points = [Point(step, {"a": 1.0, "b": 2.0, "c": 3.0}) for step in range(50)]
        bench.write(record_metrics, bench.start().lease, points)
        seen, after, more = [], -1, True
        while more:
            page = bench.client.get(f"/v1/jobs/{job_id}/metrics?limit=100&after_step={after}").json()
            seen += [(number["step"], number["name"]) for number in page["data"]]
            after, more = page["next_after_step"], page["has_more"]
        assert seen == [(step, name) for step in range(50) for name in "abc"]

    def test_cancelling_is_felt_and_can_be_repeated(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        lease = bench.start().lease
        for _ in range(2):
            answer = bench.client.post(f"/v1/jobs/{job_id}/cancel")
            assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
        bench.write(confirm_cancelled, lease)
        answer = bench.client.post(f"/v1/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")

    def test_a_finished_job_cannot_be_cancelled(self, bench: Bench) -> None:
        bench.make_corpus()
        job_id = bench.client.get("/v1/jobs").json()["data"][0]["id"]
        answer = bench.client.post(f"/v1/jobs/{job_id}/cancel")
        assert answer.status_code == 409
        problem = answer.json()
        assert problem["state"] == "succeeded"
        assert problem["type"] == "urn:signforge:problem:impossible-transition"
        assert "succeeded" in problem["detail"]

    def test_pause_and_resume(self, bench: Bench) -> None:
        job_id = bench.submit_import()
        assert bench.client.post(f"/v1/jobs/{job_id}/pause").status_code == 409
        lease = bench.start().lease
        assert bench.client.post(f"/v1/jobs/{job_id}/pause").json()["state"] == "pausing"
        bench.write(confirm_paused, lease)
        assert bench.client.post(f"/v1/jobs/{job_id}/resume").json()["state"] == "queued"


def test_a_job_keeps_the_id_of_its_request_and_the_log_names_both(bench: Bench, log: StringIO) -> None:
    corpus = bench.make_corpus()
    spec = {"kind": "evaluate", "corpus": corpus, "features": "keypoints"}
    answer = bench.client.post("/v1/jobs", json=spec)
    job_id, request_id = answer.json()["id"], answer.headers["X-Request-Id"]
    assert answer.json()["request_id"] == request_id
    bench.client.get(f"/v1/jobs/{job_id}")
    queued, _, looked = log.getvalue().splitlines()
    assert f"Queued {job_id}." in queued
    assert f"request_id={request_id}" in queued
    assert f"job_id={job_id}" in looked
    bench.client.post(f"/v1/jobs/{job_id}/cancel")
    again = bench.client.post(f"/v1/jobs/{job_id}/retry")
    assert again.json()["request_id"] == again.headers["X-Request-Id"] != request_id
