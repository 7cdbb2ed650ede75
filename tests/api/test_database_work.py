"""How many transactions and statements the requests that clients repeat cost the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, event

from core.specs.jobs import PretrainSpec
from tests.api.conftest import Bench


@dataclass
class Work:
    """What an engine did: transactions begun, and statements by their first words."""

    transactions: int = 0
    statements: list[str] = field(default_factory=list)


@contextmanager
def counted(engine: Engine) -> Iterator[Work]:
    """Count what `engine` does inside."""
    work = Work()

    def begin(*_: Any) -> None:
        work.transactions += 1

    def execute(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            work.statements.append(statement)

    listeners = {"begin": begin, "before_cursor_execute": execute}
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    yield work
    for name, listener in listeners.items():
        event.remove(engine, name, listener)


@pytest.fixture
def bench(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An application for which no time passes: a busy machine may take longer than a key is remembered."""
    for memory in (bench.service.known_keys, bench.service.waiting.order, bench.service.waiting.workers):
        monkeypatch.setattr(memory, "_clock", lambda: 0.0)
    return bench


@pytest.fixture
def job_id(bench: Bench) -> str:
    """A queued job, polled once, so that its key and its place are known."""
    job_id = bench.submit(PretrainSpec(corpus="cor_1"))
    bench.client.get(f"/v1/jobs/{job_id}")
    return job_id


def test_a_poll_is_one_transaction_of_one_statement(bench: Bench, job_id: str) -> None:
    tag = bench.client.get(f"/v1/jobs/{job_id}").headers["etag"]
    for headers, status in (({}, 200), ({"If-None-Match": tag}, 304)):
        with counted(bench.service.engine) as work:
            assert bench.client.get(f"/v1/jobs/{job_id}", headers=headers).status_code == status
        assert (work.transactions, len(work.statements)) == (1, 1), work


def test_a_first_poll_reads_the_key_the_queue_and_the_workers_too(bench: Bench) -> None:
    job_id = bench.submit(PretrainSpec(corpus="cor_1"))
    bench.client.get("/v1/recipes")  # the key's first use is recorded
    bench.service.known_keys.forget_all()
    with counted(bench.service.engine) as work:
        bench.client.get(f"/v1/jobs/{job_id}")
    assert (work.transactions, len(work.statements)) == (2, 5), work


def test_a_submission_is_one_transaction_and_another_for_the_audit_trail(bench: Bench) -> None:
    corpus = bench.make_corpus()
    first = bench.submit(PretrainSpec(corpus=corpus))
    bench.client.get(f"/v1/jobs/{first}")
    body = {"kind": "pretrain", "corpus": corpus, "recipe": "smoke"}
    for what, expected in (("new", (2, 9)), ("again", (3, 4))):
        with counted(bench.service.engine) as work:
            answer = bench.client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "one"})
        assert answer.status_code == 201
        assert (work.transactions, len(work.statements)) == expected, (what, work)
