"""`/metrics`: values are correct, and dashboard and alerts use existing metrics only."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from core.jobs import counters
from core.jobs.database import now, transaction
from core.jobs.ledger.job_logs import append_log
from core.jobs.ledger.outcomes import fail
from core.jobs.ledger.reports import commit_checkpoint, report_progress
from core.jobs.states import Reason, State
from core.jobs.workers import Capacity, heartbeat
from core.specs.jobs import PretrainSpec
from tests.api.conftest import Bench

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana" / "signforge.json").read_text())
RULES = yaml.safe_load((DOCS / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(bench: Bench) -> Samples:
    answer = bench.client_with({}).get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@pytest.fixture
def busy(bench: Bench) -> str:
    """The id of a running job, beside one of everything else that there are numbers of."""
    corpus = bench.make_corpus()
    bench.make_encoder(corpus, content=b"weights")
    bench.client.post("/v1/uploads?filename=a", content=b"poses")
    with transaction(bench.service.engine) as session:
        heartbeat(session, "worker-1", host="host", process_id=1, capacity=Capacity("cuda", 8))
        heartbeat(session, "worker-2", host="host", process_id=2, capacity=Capacity("cpu", 2))
        counters.add(session, {counters.leases_reaped(State.QUEUED): 2, counters.DOORBELLS_RUNG: 5})
        counters.add(session, {counters.leases_reaped(State.QUEUED): 1, counters.DEADLINES_PASSED: 4})
        counters.add(session, {counters.COLLECTED_FILES: 6, counters.COLLECTED_BYTES: 2**40})
        counters.put(session, counters.RECONCILER_SEEN, int(now(session).timestamp()))
    job_id = bench.submit(PretrainSpec(corpus=corpus, name="letters"))
    lease = bench.start().lease
    progress = {"step": 7, "step_seconds": 0.5, "samples_per_second": 128.0}
    bench.write(report_progress, lease, progress)
    bench.write(commit_checkpoint, lease, step=7, location="a", manifest={}, size_bytes=1000)
    bench.write(append_log, lease, b"hello", attempt=1, offset=0, max_bytes_per_job=2**16)
    bench.submit_import("waiting")
    return job_id


def test_jobs_queue_and_attempts_are_counted(bench: Bench, busy: str) -> None:
    samples = scrape(bench)
    assert value(samples, "signforge_jobs", state="queued", kind="import") == 1
    assert value(samples, "signforge_jobs", state="succeeded", kind="import") == 1
    assert value(samples, "signforge_jobs", state="running", kind="pretrain") == 1
    assert value(samples, "signforge_jobs", state="failed", kind="evaluate") == 0
    assert value(samples, "signforge_attempts_total", kind="pretrain", outcome="succeeded") == 1
    assert value(samples, "signforge_queue_depth", num_devices="1") == 1
    assert 0 <= value(samples, "signforge_queue_age_seconds", num_devices="1") < 60
    assert value(samples, "signforge_doorbells_waiting") == 1
    assert 0 <= value(samples, "signforge_doorbell_lag_seconds") < 60


def test_leases_workers_and_running_jobs_are_told(bench: Bench, busy: str) -> None:
    samples = scrape(bench)
    assert value(samples, "signforge_leases") == 1
    assert value(samples, "signforge_leases_expired") == 0
    assert 30 <= value(samples, "signforge_lease_age_seconds") < 60, "the bench's leases last 60 of 90 s"
    assert value(samples, "signforge_workers", device="cuda", state="busy") == 1
    assert value(samples, "signforge_workers", device="cpu", state="idle") == 1
    assert value(samples, "signforge_worker_devices", device="cuda", state="busy") == 8
    of_job = {"job_id": busy, "kind": "pretrain"}
    assert value(samples, "signforge_job_step", **of_job) == 7
    assert value(samples, "signforge_job_step_seconds", **of_job) == 0.5
    assert value(samples, "signforge_job_samples_per_second", **of_job) == 128
    with transaction(bench.service.engine) as session:
        session.execute(text("UPDATE jobs SET lease_expires_at = '2026-01-01' WHERE state = 'running'"))
    assert value(scrape(bench), "signforge_leases_expired") == 1


def test_what_is_stored_is_told_by_owner(bench: Bench, busy: str) -> None:
    samples = scrape(bench)
    stored = {what: value(samples, "signforge_stored_bytes", owner="ada", what=what) for what in WHAT}
    assert stored == WHAT


WHAT = {"upload": 5, "corpus": 3, "encoder": 7, "checkpoint": 1000, "log": 5}


def test_what_reconcilers_count_is_told(bench: Bench, busy: str) -> None:
    samples = scrape(bench)
    assert value(samples, "signforge_leases_reaped_total", to="queued") == 3
    assert value(samples, "signforge_leases_reaped_total", to="failed") == 0
    assert value(samples, "signforge_deadlines_passed_total") == 4
    assert value(samples, "signforge_doorbells_rung_total") == 5
    assert value(samples, "signforge_collected_files_total") == 6
    assert value(samples, "signforge_collected_bytes_total") == 2**40
    assert value(samples, "signforge_reconciler_seen_timestamp_seconds") > 1.7e9


def test_an_attempt_that_failed_counts_by_its_reason(bench: Bench) -> None:
    bench.submit_import()
    bench.write(fail, bench.start().lease, reason=Reason.DATA_UNUSABLE, message="no")
    assert value(scrape(bench), "signforge_attempts_total", kind="import", outcome="data_unusable") == 1


def test_requests_count_by_route_whatever_is_asked_for(bench: Bench) -> None:
    def count(**labels: str) -> float:
        return scrape(bench).get(("signforge_http_requests_total", frozenset(labels.items())), 0)

    looked = {"route": "/v1/jobs/{job_id}", "method": "GET"}
    before, strange = count(**looked, status="404"), count(route="none", method="any", status="404")
    timed = scrape(bench).get(("signforge_http_request_seconds_count", frozenset(looked.items())), 0)
    for name in ("job_1", "job_2", "job_3?wait=0.01"):
        bench.client.get(f"/v1/jobs/{name}")
    bench.client.request("BREW", "/coffee")
    assert count(**looked, status="404") == before + 3
    assert count(route="none", method="any", status="404") == strange + 1
    samples = scrape(bench)
    assert value(samples, "signforge_http_request_seconds_count", **looked) == timed + 2
    assert value(samples, "signforge_http_request_seconds_bucket", **looked, le="+Inf") == timed + 2


def test_without_its_database_a_process_tells_what_it_can(bench: Bench) -> None:
    assert value(scrape(bench), "signforge_database_up") == 1
    with transaction(bench.service.engine) as session:
        session.execute(text("DROP TABLE counters"))
    samples = scrape(bench)
    assert value(samples, "signforge_database_up") == 0
    names = {name for name, _ in samples}
    assert "signforge_http_requests_total" in names
    assert "signforge_jobs" not in names


def test_openmetrics_is_spoken_to_those_who_ask(bench: Bench) -> None:
    wanted = "application/openmetrics-text;version=1.0.0"
    answer = bench.client_with({"Accept": wanted}).get("/metrics")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$job", ".*").replace("$__rate_interval", "5m")
    for rule in RULES:
        yield rule["expr"]


def selectors(part: Any) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(part, promql_parser.VectorSelector):
        yield part
    for name in ("lhs", "rhs", "expr", "args", "vector_selector"):
        inner = getattr(part, name, None) or []
        for each in inner if isinstance(inner, list) else [inner]:
            yield from selectors(each)


def test_dashboard_and_alerts_ask_for_what_is_there(bench: Bench, busy: str) -> None:
    bench.client.get(f"/v1/jobs/{busy}")
    labels: dict[str, set[str]] = {}
    for name, of in scrape(bench):
        labels.setdefault(name, {"job", "instance"}).update(label for label, _ in of)
    asked = list(expressions())
    assert len(asked) > 30
    for expression in asked:
        found = list(selectors(promql_parser.parse(expression)))
        assert found, expression
        for selector in found:
            assert selector.name in labels, f"{selector.name} of {expression}"
            assert {matcher.name for matcher in selector.matchers.matchers} <= labels[selector.name]
        groups = {label for by in re.findall(r"by \(([^)]*)\)", expression) for label in by.split(", ")}
        assert groups <= set().union(*(labels[selector.name] for selector in found)), expression


def test_the_dashboard_can_be_imported_with_any_prometheus() -> None:
    source, job = DASHBOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert DASHBOARD["id"] is None
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for part in (job, *(panel for panel in panels if panel["type"] != "row")):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_every_alert_says_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
