"""Deletion: what is removed, what is kept, and what is refused while an unfinished job needs it."""

from pathlib import Path

import httpx
import pytest

from core.jobs.database import transaction
from core.jobs.ledger.outcomes import fail
from core.jobs.ledger.reports import commit_checkpoint
from core.jobs.states import Reason
from core.jobs.tables.artifacts import CheckpointRow, CorpusRow
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import EvaluateSpec, PretrainSpec
from tests.api.conftest import Bench


def upload(bench: Bench) -> tuple[str, Path]:
    made = bench.client.post("/v1/uploads?filename=poses.npz", content=b"poses").json()
    (file,) = (bench.settings.artifacts_folder / "uploads").glob("*/poses.npz")
    return made["id"], file


def corpus(bench: Bench, name: str = "signs") -> tuple[str, Path]:
    corpus_id = bench.make_corpus(name)
    folder = bench.service.store.corpus_folder(corpus_id)
    folder.mkdir(parents=True)
    (folder / "points.bin").write_bytes(b"points")
    return corpus_id, folder


def checkpoint(bench: Bench) -> tuple[str, Path, str]:
    """A checkpoint of a job that has failed."""
    job_id = bench.submit(PretrainSpec(corpus="cor_1", name="encoder"))
    lease = bench.start().lease
    folder = bench.service.store.attempt_folder(job_id, 1) / "checkpoints" / "step_5"
    folder.mkdir(parents=True)
    row: CheckpointRow = bench.write(
        commit_checkpoint,
        lease,
        step=5,
        location=bench.service.store.location_of(folder),
        manifest={},
        size_bytes=3,
    )
    bench.write(fail, lease, reason=Reason.DIVERGED, message="no")
    return row.id, folder, job_id


def refused(answer: httpx.Response, *job_ids: str) -> None:
    document = answer.json()
    assert (answer.status_code, document["type"]) == (409, "urn:signforge:problem:in-use")
    assert document["job_ids"] == list(job_ids)
    assert all(job_id in document["detail"] for job_id in job_ids)


def test_a_deleted_upload_is_gone_with_its_file(bench: Bench) -> None:
    upload_id, file = upload(bench)
    for _ in range(2):
        assert bench.client.delete(f"/v1/uploads/{upload_id}").status_code == 204
    assert not file.parent.exists()
    assert bench.client.get(f"/v1/uploads/{upload_id}").status_code == 404
    body = {"kind": "import", "name": "signs", "source": upload_id}
    assert bench.client.post("/v1/jobs", json=body).status_code == 422


def test_an_upload_stays_while_its_import_has_not_ended(bench: Bench) -> None:
    upload_id, file = upload(bench)
    job_id = bench.submit(ImportSpec(name="signs", source=upload_id))
    refused(bench.client.delete(f"/v1/uploads/{upload_id}"), job_id)
    assert file.exists()
    bench.client.post(f"/v1/jobs/{job_id}/cancel")
    assert bench.client.delete(f"/v1/uploads/{upload_id}").status_code == 204


def test_a_deleted_corpus_frees_its_name_and_leaves_what_was_made_with_it(bench: Bench) -> None:
    corpus_id, folder = corpus(bench)
    encoder_id = bench.make_encoder(corpus_id)
    bench.make_evaluation(corpus_id, encoder_id)
    assert bench.client.delete(f"/v1/corpora/{corpus_id}").status_code == 204
    assert not folder.exists()
    assert bench.client.get(f"/v1/corpora/{corpus_id}").status_code == 404
    assert bench.client.get("/v1/corpora").json()["data"] == []
    assert bench.client.get(f"/v1/encoders/{encoder_id}").json()["corpus_id"] == corpus_id
    scored = f"/v1/evaluations?corpus={corpus_id}"
    assert len(bench.client.get(scored).json()["data"]) == 1
    again, _ = corpus(bench)
    assert [found["id"] for found in bench.client.get("/v1/corpora?name=signs").json()["data"]] == [again]
    assert bench.client.get("/v1/evaluations?corpus=signs").json()["data"] == []
    body = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"}
    assert bench.client.post("/v1/jobs", json=body).json()["spec"]["corpus"] == again
    assert bench.client.post("/v1/jobs", json={**body, "corpus": corpus_id}).status_code == 422


def test_a_corpus_and_an_encoder_stay_while_jobs_need_them(bench: Bench) -> None:
    corpus_id, folder = corpus(bench)
    encoder_id = bench.make_encoder(corpus_id)
    training = bench.submit(PretrainSpec(corpus=corpus_id))
    scoring = bench.submit(EvaluateSpec(corpus=corpus_id, encoder=encoder_id))
    refused(bench.client.delete(f"/v1/corpora/{corpus_id}"), training, scoring)
    refused(bench.client.delete(f"/v1/encoders/{encoder_id}"), scoring)
    assert folder.exists()
    bench.client.post(f"/v1/jobs/{training}/cancel")
    refused(bench.client.delete(f"/v1/corpora/{corpus_id}"), scoring)
    bench.client.post(f"/v1/jobs/{scoring}/cancel")
    assert bench.client.delete(f"/v1/encoders/{encoder_id}").status_code == 204
    assert bench.client.delete(f"/v1/corpora/{corpus_id}").status_code == 204


def test_a_corpus_that_is_tested_on_stays_like_the_one_that_is_fitted_on(bench: Bench) -> None:
    fitted, _ = corpus(bench)
    tested, folder = corpus(bench, "others")
    job_id = bench.submit(EvaluateSpec(corpus=fitted, test_corpus=tested, features="keypoints"))
    refused(bench.client.delete(f"/v1/corpora/{tested}"), job_id)
    assert folder.exists()
    bench.client.post(f"/v1/jobs/{job_id}/cancel")
    assert bench.client.delete(f"/v1/corpora/{tested}").status_code == 204
    again = bench.client.post(f"/v1/jobs/{job_id}/retry")
    assert (again.status_code, again.json()["type"]) == (409, "urn:signforge:problem:deleted")
    assert tested in again.json()["detail"]


def test_a_deleted_encoder_keeps_its_scores_and_its_number(bench: Bench) -> None:
    corpus_id, _ = corpus(bench)
    first, second = bench.make_encoder(corpus_id), bench.make_encoder(corpus_id)
    bench.make_evaluation(corpus_id, second)
    assert bench.client.delete(f"/v1/encoders/{second}").status_code == 204
    assert not bench.service.store.encoder_folder(second).exists()
    assert [found["id"] for found in bench.client.get("/v1/encoders").json()["data"]] == [first]
    for path in ("", "/card", "/download"):
        assert bench.client.get(f"/v1/encoders/{second}{path}").status_code == 404
    assert len(bench.client.get(f"/v1/evaluations?encoder={second}").json()["data"]) == 1
    body = {"kind": "evaluate", "corpus": "signs", "encoder": "encoder"}
    job = bench.client.post("/v1/jobs", json=body).json()
    assert job["spec"]["encoder"] == first
    bench.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert bench.client.get(f"/v1/encoders/{bench.make_encoder(corpus_id)}").json()["version"] == 3


def test_a_checkpoint_stays_while_its_job_or_a_retry_may_go_on_from_it(bench: Bench) -> None:
    checkpoint_id, folder, job_id = checkpoint(bench)
    here = f"/v1/checkpoints/{checkpoint_id}"
    retry = bench.client.post(f"/v1/jobs/{job_id}/retry").json()["id"]
    refused(bench.client.delete(here), retry)
    bench.client.post(f"/v1/jobs/{retry}/cancel")
    again = bench.client.post(f"/v1/jobs/{retry}/retry").json()["id"]
    refused(bench.client.delete(here), again)
    bench.client.post(f"/v1/jobs/{again}/cancel")
    assert bench.client.get(here).status_code == 200
    for _ in range(2):
        assert bench.client.delete(here).status_code == 204
    assert not folder.exists()
    assert bench.client.get(here).status_code == 404
    assert bench.client.get(f"/v1/jobs/{job_id}/checkpoints").json()["data"] == []


def test_what_was_deleted_cannot_be_retried(bench: Bench) -> None:
    corpus_id, _ = corpus(bench)
    job_id = bench.submit(PretrainSpec(corpus=corpus_id))
    bench.client.post(f"/v1/jobs/{job_id}/cancel")
    bench.client.delete(f"/v1/corpora/{corpus_id}")
    answer = bench.client.post(f"/v1/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:signforge:problem:deleted")
    assert corpus_id in answer.json()["detail"]


def test_only_owners_who_may_submit_delete(bench: Bench) -> None:
    corpus_id, folder = corpus(bench)
    here = f"/v1/corpora/{corpus_id}"
    for stranger in (bench.client_of("ben", "submit"), bench.client_of("root", "admin")):
        assert stranger.delete(here).status_code == 404
    assert bench.client_of("ada", "read").delete(here).status_code == 403
    for noun in ("uploads", "corpora", "encoders", "checkpoints"):
        assert bench.client.delete(f"/v1/{noun}/x_1").status_code == 404
    assert folder.exists()
    assert bench.client.get(here).status_code == 200


def test_deleting_makes_room(bench: Bench) -> None:
    upload_id, _ = upload(bench)
    bench.set(max_stored_bytes_per_owner=8)
    again = lambda: bench.client.post("/v1/uploads?filename=b", content=b"poses")  # noqa: E731
    assert again().status_code == 413
    bench.client.delete(f"/v1/uploads/{upload_id}")
    assert again().status_code == 201


def test_files_that_resist_are_logged_and_removed_when_it_is_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    corpus_id, folder = corpus(bench)

    def refuse(path: Path) -> None:
        raise OSError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("core.jobs.storage.folder_store.shutil.rmtree", refuse)
        assert bench.client.delete(f"/v1/corpora/{corpus_id}").status_code == 204
    assert "Permission denied" in caplog.text
    assert bench.client.get(f"/v1/corpora/{corpus_id}").status_code == 404
    assert folder.exists()
    assert bench.client.delete(f"/v1/corpora/{corpus_id}").status_code == 204
    assert not folder.exists()


def test_a_location_that_is_no_artifact_is_not_removed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    corpus_id, folder = corpus(bench)
    for location in ("corpora", ".", ""):
        with transaction(bench.service.engine) as session:
            session.get_one(CorpusRow, corpus_id).location = location
        assert bench.client.delete(f"/v1/corpora/{corpus_id}").status_code == 204
    assert "it is not removed" in caplog.text
    assert folder.exists()
