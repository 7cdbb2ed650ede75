"""Printing and following a program's log from the command line."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner, Result

from core.jobs.database import transaction
from core.jobs.ledger import outcomes
from core.jobs.ledger.fence import Lease, RetryPolicy
from core.jobs.ledger.job_logs import append_log
from core.jobs.states import Reason
from signforge.cli import app
from tests.signforge.conftest import RunningApi

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("SIGNFORGE_URL", api.url)
    monkeypatch.setenv("SIGNFORGE_API_KEY", api.api_key)
    return lambda *words: CliRunner().invoke(app, words)


def write(api: RunningApi, lease: Lease, raw: bytes, *, offset: int = 0) -> None:
    with transaction(api.engine) as session:
        append_log(session, lease, raw, attempt=lease.attempt, offset=offset, max_bytes_per_job=2**20)


def submit(api: RunningApi, corpus: str) -> str:
    with api.client() as client:
        return client.jobs.submit({"kind": "pretrain", "corpus": corpus, "recipe": "smoke"}).id


def requeue(api: RunningApi, lease: Lease) -> None:
    with transaction(api.engine) as session:
        outcomes.requeue(
            session, lease, charged=False, reason=Reason.DRAINED, message="", policy=RetryPolicy(3, 0)
        )


def test_pages_are_printed_one_after_the_other(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    job_id = submit(api, corpus)
    text = "[epoch] grüße\n" * 50_000
    write(api, api.claim().lease, text.encode(), offset=100)
    result = invoke("logs", job_id)
    assert result.stdout == text
    assert "100 bytes are left out" in result.stderr


def test_one_attempt_can_be_chosen(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    job_id = submit(api, corpus)
    lease = api.claim().lease
    write(api, lease, b"first\n")
    requeue(api, lease)
    write(api, api.claim().lease, b"second\n")
    assert invoke("logs", job_id, "--attempt", "1").stdout == "first\n"
    assert invoke("logs", job_id, "--attempt", "1", "--follow").stdout == "first\n", "it has ended"
    assert invoke("logs", job_id).stdout == "second\n"
    missing = invoke("logs", job_id, "--attempt", "3")
    assert (missing.exit_code, "there are 2" in missing.stderr) == (1, True)


def test_following_goes_over_attempts_to_the_jobs_end(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    job_id = submit(api, corpus)
    with ThreadPoolExecutor() as pool:
        told = pool.submit(invoke, "logs", job_id, "--follow")
        lease = api.claim().lease
        write(api, lease, b"first\n")
        requeue(api, lease)
        again = api.claim()
        for offset in range(0, 15, 5):
            write(api, again.lease, b"more\n", offset=offset)
        assert not told.done()
        with transaction(api.engine) as session:
            outcomes.fail(session, again.lease, reason=Reason.USER_ERROR, message="no")
        result = told.result(timeout=20)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("more\nmore\nmore\n")
