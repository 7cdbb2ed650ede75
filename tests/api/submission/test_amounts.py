"""A job that cannot work, as its corpus is too small, is refused when it is submitted or tried."""

from typing import Any

import pytest

from core.jobs.database import transaction
from core.jobs.tables.artifacts import CorpusRow
from tests.api.conftest import Bench

EVALUATE = {"kind": "evaluate", "corpus": "signs", "features": "keypoints", "protocol": "knn"}
PRETRAIN = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"}
SUMMARY = {
    "num_clips": 40,
    "label_names": ["tea", "coffee"],
    "signer_names": ["ann", "ben"],
    "session_names": ["1"],
    "split_counts": {"train": 33, "test": 7},
    "signer_counts": {"ann": 31, "ben": 4},
    "session_counts": {"1": 40},
    "num_without": {"label": 0, "signer": 5, "session": 0},
}
AUDIT = {"kind": "leak_audit", "corpus": "signs"}
DICTIONARY = EVALUATE | {"protocol": "dictionary"}
NAMED = {"num_without": {"label": 0, "signer": 0, "session": 0}, "session_names": ["1", "2", "3"]}
FITTING: list[dict[str, Any]] = [
    PRETRAIN,
    EVALUATE,
    PRETRAIN | {"clips": {"exclude_signers": ["ben"]}},
    AUDIT,
    DICTIONARY,
    EVALUATE | {"folds": "each_signer", "clips": {"signers": ["ann", "ben"]}},
]
UNFIT: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (PRETRAIN, {"split_counts": {"train": 7, "test": 33}}, "/overrides/run/batch_size", "only 7 clips"),
    (PRETRAIN | {"clips": {"signers": ["ann"]}}, {}, "/overrides/run/batch_size", "only 31 clips"),
    (
        PRETRAIN | {"clips": {"exclude_signers": ["ann"]}},
        {},
        "/overrides/run/batch_size",
        "32, but only 9 clips of corpus 'signs' can be selected; lower run.batch_size",
    ),
    (EVALUATE | {"folds": "each_signer"}, {}, "/folds", "choose the others with --signer ann --signer ben"),
    (EVALUATE | {"folds": "each_signer"}, {}, "/folds", "5 clips of 'signs' have no signer"),
    (EVALUATE, {"split_counts": {"train": 40}}, "/folds", "(--split-by signer), set folds to 'each_signer'"),
    (
        EVALUATE,
        {"split_counts": {"train": 40}, "signer_names": []},
        "/folds",
        "a column signer in its labels",
    ),
    (EVALUATE | {"folds": "each_session"}, {}, "/folds", "need two or more sessions; corpus 'signs' has 1"),
    (EVALUATE, {"split_counts": {"train": 40}}, "/folds", "has 40 clips to fit on and 0 to test on"),
    (
        AUDIT | {"folds": "each_signer"},
        {"signer_names": []},
        "/folds",
        "two or more signers; corpus 'signs' has 0",
    ),
    (AUDIT | {"folds": "each_signer"}, {}, "/folds", "5 clips of 'signs' have no signer"),
    (AUDIT, {"split_counts": {"train": 40, "test": 0}}, "/folds", "are in split train, but a leak audit"),
    (DICTIONARY, NAMED | {"signer_names": ["ann"]}, "/folds", "folds 'split' have a signer on both sides"),
    (
        DICTIONARY,
        NAMED | {"num_signers_in_train_and_test": 2},
        "/folds",
        "Set folds to 'each_signer' (--folds each_signer), or use protocol 'knn'",
    ),
    (DICTIONARY | {"folds": "each_session"}, NAMED, "/folds", "2 signers in 3 sessions"),
    (EVALUATE, {"label_names": ["tea"]}, "/corpus", "needs two or more glosses; corpus 'signs' has 1"),
]


def corpus(bench: Bench, **changes: Any) -> None:
    corpus_id = bench.make_corpus(name="signs")
    with transaction(bench.service.engine) as session:
        session.get_one(CorpusRow, corpus_id).summary = SUMMARY | changes


@pytest.mark.parametrize("body", FITTING)
def test_a_job_that_fits_is_accepted(bench: Bench, body: dict[str, Any]) -> None:
    corpus(bench)
    assert bench.client.post("/v1/jobs?dry_run=true", json=body).status_code == 200
    assert bench.client.post("/v1/jobs", json=body).status_code == 201


@pytest.mark.parametrize(("body", "changes", "pointer", "detail"), UNFIT)
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_a_job_that_cannot_work_is_refused(
    bench: Bench, body: dict[str, Any], changes: dict[str, Any], pointer: str, detail: str, query: str
) -> None:
    corpus(bench, **changes)
    answer = bench.client.post(f"/v1/jobs{query}", json=body)
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer
    assert detail in fault["detail"]
    assert bench.client.get("/v1/jobs?kind=evaluate").json()["data"] == []


def test_a_corpus_from_before_is_checked_as_far_as_known(bench: Bench) -> None:
    old = {field: SUMMARY[field] for field in ("num_clips", "label_names", "signer_names", "split_counts")}
    corpus_id = bench.make_corpus(name="signs")
    with transaction(bench.service.engine) as session:
        session.get_one(CorpusRow, corpus_id).summary = old
    for body in (PRETRAIN | {"clips": {"signers": ["ben"]}}, EVALUATE | {"folds": "each_signer"}):
        assert bench.client.post("/v1/jobs?dry_run=true", json=body).status_code == 200
