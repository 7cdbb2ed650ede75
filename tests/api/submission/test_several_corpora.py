"""A pretraining on several corpora: each is found, checked and kept like the first."""

from typing import Any

import pytest

from core.jobs.database import transaction
from core.jobs.tables.artifacts import CorpusRow
from tests.api.conftest import Bench
from tests.api.submission.test_amounts import SUMMARY

PRETRAIN: dict[str, Any] = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"}


@pytest.fixture
def ids(bench: Bench) -> dict[str, str]:
    """Three corpora of 33 clips for training each."""
    ids = {name: bench.make_corpus(name=name) for name in ("signs", "words", "letters")}
    with transaction(bench.service.engine) as session:
        for corpus_id in ids.values():
            row = session.get_one(CorpusRow, corpus_id)
            row.summary, row.digest = SUMMARY, f"digest of {corpus_id}"
    return ids


def test_names_become_ids_and_weights_count(bench: Bench, ids: dict[str, str]) -> None:
    also = [{"corpus": "words", "weight": 2}, {"corpus": ids["letters"], "clips": {"signers": ["ann"]}}]
    answer = bench.client.post("/v1/jobs", json=PRETRAIN | {"also": also})
    assert answer.is_success, answer.text
    kept = answer.json()["spec"]
    assert [kept["corpus"], *(each["corpus"] for each in kept["also"])] == list(ids.values())
    assert [each["weight"] for each in kept["also"]] == [2, 1]
    assert kept["also"][1]["clips"]["signers"] == ["ann"]
    assert "also" not in bench.client.post("/v1/jobs", json=PRETRAIN).json()["spec"]


@pytest.mark.usefixtures("ids")
def test_an_estimate_counts_the_clips_of_all(bench: Bench) -> None:
    also = [{"corpus": "words", "weight": 0.5}, {"corpus": "letters", "weight": 3}]
    overrides = {"run": {"num_epochs": 4, "batch_size": 10}}
    body = PRETRAIN | {"also": also, "overrides": overrides}
    answer = bench.client.post("/v1/jobs?dry_run=true", json=body).json()
    assert answer["estimate"]["num_steps"] == 4 * (int(33 * (1 + 0.5 + 3)) // 10)


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize(
    ("also", "pointer", "detail"),
    [
        ([{"corpus": "wordz"}], "/also/0/corpus", "You have no corpus 'wordz'. Did you mean 'words'?"),
        (
            [{"corpus": "words"}, {"corpus": "letters", "clips": {"splits": ["trian"]}}],
            "/also/1/clips/splits/0",
            "Corpus 'letters' has no split 'trian'.",
        ),
        ([{"corpus": "words"}, {"corpus": "words"}], "/also/1/corpus", "Corpus 'words' is named twice."),
        ([{"corpus": "signs"}], "/also/0/corpus", "Corpus 'signs' is named twice."),
        ([{"corpus": "words", "weight": 0}], "/also/0/weight", "greater than or equal to 0.001"),
    ],
)
def test_a_mistake_is_named_where_it_is(
    bench: Bench, also: list[dict[str, Any]], pointer: str, detail: str
) -> None:
    answer = bench.client.post("/v1/jobs?dry_run=true", json=PRETRAIN | {"also": also})
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer
    assert detail in fault["detail"]


def test_the_same_clips_under_two_names_are_refused(bench: Bench, ids: dict[str, str]) -> None:
    with transaction(bench.service.engine) as session:
        session.get_one(CorpusRow, ids["words"]).digest = f"digest of {ids['signs']}"
    answer = bench.client.post("/v1/jobs?dry_run=true", json=PRETRAIN | {"also": [{"corpus": "words"}]})
    assert "Corpus 'words' has the same clips as 'signs'" in answer.json()["detail"]


@pytest.mark.usefixtures("ids")
def test_a_batch_may_take_clips_of_all_corpora(bench: Bench) -> None:
    overrides = {"run": {"batch_size": 40}}
    body = PRETRAIN | {"overrides": overrides}
    alone = bench.client.post("/v1/jobs?dry_run=true", json=body)
    assert "only 33 clips of corpus 'signs'" in alone.json()["detail"]
    few = bench.client.post(
        "/v1/jobs?dry_run=true", json=body | {"also": [{"corpus": "words", "weight": 0.1}]}
    )
    assert "only 36 clips of the 2 corpora" in few.json()["detail"]
    enough = bench.client.post("/v1/jobs?dry_run=true", json=body | {"also": [{"corpus": "words"}]})
    assert enough.is_success, enough.text


def test_all_corpora_stay_while_a_job_needs_them(bench: Bench, ids: dict[str, str]) -> None:
    also = [{"corpus": "words"}, {"corpus": "letters"}]
    job_id = bench.client.post("/v1/jobs", json=PRETRAIN | {"also": also}).json()["id"]
    for corpus_id in ids.values():
        answer = bench.client.delete(f"/v1/corpora/{corpus_id}")
        assert answer.status_code == 409
        assert job_id in answer.json()["detail"]
    bench.client.post(f"/v1/jobs/{job_id}/cancel")
    assert bench.client.delete(f"/v1/corpora/{ids['letters']}").status_code == 204
    again = bench.client.post(f"/v1/jobs/{job_id}/retry")
    assert again.status_code == 409
    assert f"it needs {ids['letters']}, which was deleted" in again.json()["detail"]
