"""Liveness and readiness."""

from importlib.metadata import version

from sqlalchemy import text

from core.jobs.database import transaction
from tests.api.conftest import Bench


def test_the_process_is_alive(bench: Bench) -> None:
    answer = bench.client_with({}).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": version("signforge")})


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
