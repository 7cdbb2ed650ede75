"""One trace from the HTTP request to the phases of the program, as a real collector receives it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from core.errors import UserError
from core.jobs.database import transaction
from core.jobs.keys import create_api_key
from core.jobs.ledger.submissions import Origin, submit
from core.jobs.settings import Settings
from core.jobs.tables.artifacts import CorpusRow
from core.jobs.tracing import open_tracing
from core.specs.jobs import PretrainSpec
from tests.servers.collector import Collector, ReceivedSpan, collector
from tests.servers.service import RECONCILER, WORKER, Service
from tests.servers.starting import wait_for

OK, ERROR = 1, 2
CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
"""A trace and a span in it, of whoever calls the API."""


@pytest.fixture
def received() -> Iterator[Collector]:
    with collector() as listening:
        yield listening


@pytest.fixture
def service(folder: Path, received: Collector) -> Iterator[Service]:
    made = Service(folder, SIGNFORGE_OTEL_ENDPOINT=received.url, SIGNFORGE_PORT="0")
    yield made
    made.stop_everything()


@pytest.mark.system
def test_a_job_is_one_trace_from_the_request_to_the_phases(
    service: Service, folder: Path, received: Collector
) -> None:
    api = service.start_module("api.main")
    service.start()
    with transaction(service.engine) as session:
        key = create_api_key(session, owner="ada", scopes=["submit"])
        session.get_one(CorpusRow, "cor_1").summary = {
            "num_clips": 256,
            "split_counts": {"train": 256},
            "label_names": [],
            "signer_names": [],
        }
    answer = httpx.post(
        f"{_url(folder)}/v1/jobs",
        json={"kind": "pretrain", "corpus": "signers", "recipe": "smoke"},
        headers={"Authorization": f"Bearer {key}", "traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"},
        timeout=20,
    )
    assert answer.status_code == 201, answer.text
    job_id = answer.json()["id"]
    service.wait_for_state(job_id, "succeeded")
    api.terminate()
    names = ("POST /v1/jobs", "claim", "attempt", "counting")
    request, claim, attempt, phase = (_first(received, name) for name in names)
    chain = (request, claim, attempt, phase)
    assert [span.service for span in chain] == [
        "signforge-api",
        "signforge-worker",
        "signforge-supervisor",
        "signforge-supervisor",
    ]
    assert {span.trace for span in chain} == {CALLER[0]}
    assert [span.parent for span in chain] == [CALLER[1], request.id, claim.id, attempt.id]
    for span in (claim, attempt, phase):
        assert (span.attributes["signforge.job_id"], span.attributes["signforge.attempt"]) == (job_id, 1)
    assert attempt.attributes["signforge.request_id"] == answer.headers["X-Request-Id"]
    assert (attempt.status, attempt.attributes["signforge.outcome"]) == (OK, "succeeded")
    assert attempt.events == ("checkpoint",) * 4
    assert attempt.seconds >= phase.seconds > 0


@pytest.mark.system
def test_each_attempt_is_a_part_of_the_trace_and_tells_how_it_ended(
    service: Service, received: Collector
) -> None:
    service.start()
    overrides = {"steps": 20, "fault": "crash", "at_step": 7, "until_attempt": 2}
    with transaction(service.engine) as session:
        origin = Origin(trace_parent=f"00-{CALLER[0]}-{CALLER[1]}-01")
        spec = PretrainSpec(corpus="cor_1", overrides=overrides)
        job_id = submit(session, owner="ada", spec=spec, resolved=None, origin=origin).id
    service.wait_for_state(job_id, "succeeded")
    wait_for(lambda: len(received.named("attempt")) == 2, within_seconds=20, what="both attempts")
    wait_for(lambda: len(received.named("claim")) == 2, within_seconds=20, what="both claims")
    assert {span.parent for span in received.named("claim")} == {CALLER[1]}
    first, second = received.named("attempt")
    assert {first.parent, second.parent} == {span.id for span in received.named("claim")}
    assert (first.status, first.attributes["signforge.outcome"]) == (ERROR, "internal_error")
    assert first.attributes["signforge.job_state"] == "queued"
    assert (second.status, second.attributes["signforge.attempt"]) == (OK, 2)
    assert {span.trace for span in received.spans if span.name != "GET"} == {CALLER[0]}


@pytest.mark.system
def test_a_collector_that_is_away_hinders_nobody(folder: Path) -> None:
    service = Service(folder, SIGNFORGE_OTEL_ENDPOINT="http://127.0.0.1:9")
    try:
        service.start_module(RECONCILER)
        _ = service.broker
        service.start_module(WORKER)
        jobs = [service.submit(steps=5) for _ in range(2)]
        for job_id in jobs:
            assert service.wait_for_state(job_id, "succeeded").charged_attempts == 0
    finally:
        service.stop_everything()


@pytest.mark.slow
def test_without_an_endpoint_no_sdk_is_loaded_and_spans_do_nothing() -> None:
    program = """if True:
        import sys
        import worker.main, worker.supervisor, worker.reconciler
        from core.jobs.settings import Settings
        from core.jobs.tracing import open_tracing
        span = open_tracing(Settings(), "worker").span("claim", parent=None)
        span.note("checkpoint", step=1)
        span.end(failed=False)
        assert span.trace_parent is None
        from api.main import create_app
        create_app(Settings())
        sys.exit(any(f"opentelemetry.{part}" in sys.modules for part in ("sdk", "exporter")))
    """
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_endpoint_without_the_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UserError, match=r"pip install 'signforge\[otel\]'"):
        open_tracing(Settings(otel_endpoint="http://127.0.0.1:4318"), "worker")


def _first(received: Collector, name: str) -> ReceivedSpan:
    """The first span of that name, as soon as it comes."""
    look: Callable[[], ReceivedSpan | None] = lambda: next(iter(received.named(name)), None)  # noqa: E731
    return wait_for(look, within_seconds=20, what=f"a span {name!r}")


def _url(folder: Path) -> str:
    """Where the API that listens on any free port can be reached."""

    def look() -> str | None:
        said = (folder / "api.main.log").read_text().partition("running on ")[2]
        return said.split()[0] if said.split() else None

    return wait_for(look, within_seconds=30, what="the API's start")
