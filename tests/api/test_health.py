"""Alive, ready, and numbers, for whoever runs the service."""

from sqlalchemy import text

from core.jobs.database import transaction
from core.jobs.workers import Capacity, heartbeat
from tests.api.conftest import Bench


def test_the_process_is_alive(bench: Bench) -> None:
    answer = bench.client_with({}).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_missing_broker_is_named_and_nothing_else(bench: Bench) -> None:
    answer = bench.client_with({}).get("/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == {
        "database": True,
        "migrations": True,
        "broker": False,
        "storage": True,
    }
    assert "SIGNFORGE_BROKER_URL" in checks["broker"]["detail"]
    assert str(bench.settings.data_folder) not in answer.text


def test_missing_migrations_and_storage_are_noticed(bench: Bench) -> None:
    with transaction(bench.service.engine) as session:
        session.execute(text("DELETE FROM alembic_version"))
    bench.settings.artifacts_folder.write_text("a file where the folder should be")
    checks = bench.client_with({}).get("/readyz").json()["checks"]
    assert (checks["migrations"]["ok"], checks["storage"]["ok"]) == (False, False)
    assert "SIGNFORGE_ARTIFACTS" in checks["storage"]["detail"]
    assert checks["database"]["ok"]


def test_numbers_count_what_is_there(bench: Bench) -> None:
    bench.make_corpus()
    bench.submit_import("waiting")
    with transaction(bench.service.engine) as session:
        heartbeat(session, "worker-1", host="host", process_id=1, capacity=Capacity())
    answer = bench.client_with({}).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert values['signforge_jobs{state="queued"}'] == "1"
    assert values['signforge_jobs{state="succeeded"}'] == "1"
    assert values['signforge_jobs{state="failed"}'] == "0"
    assert values["signforge_workers"] == "1"
    assert values["signforge_leases_expired"] == "0"
    assert 0 <= float(values["signforge_queue_age_seconds"]) < 60
