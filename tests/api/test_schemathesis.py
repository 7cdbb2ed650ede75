"""Schemathesis tests a running API against its own OpenAPI document.

schemathesis.toml, beside this file, says what it tries. By itself each database gets half of the phases; with
a number of examples both get all, and it finds more the longer it runs:

    SIGNFORGE_FUZZ_EXAMPLES=200 pytest tests/api/test_schemathesis.py
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI
from sqlalchemy import select

from core.jobs.database import open_database, reading
from core.jobs.ledger.reports import commit_checkpoint
from core.jobs.migration import migrate
from core.jobs.settings import Settings
from core.jobs.tables.access import ApiKeyRow
from core.jobs.tables.artifacts import EvaluationRow
from core.specs.jobs import PretrainSpec
from tests.api.conftest import Bench
from tests.servers.api import OWNER, Api
from tests.servers.postgres import postgres
from tests.servers.valkey import Valkey

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]
_CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
_NUM_EXAMPLES = os.environ.get("SIGNFORGE_FUZZ_EXAMPLES")


@pytest.fixture
def database_url(database: str, tmp_path: Path) -> Iterator[str]:
    if database == "sqlite":
        yield f"sqlite:///{tmp_path}/signforge.db"
    else:
        with postgres() as url:
            yield url


@pytest.mark.parametrize(
    ("database", "phases"),
    [
        ("postgresql", "examples,coverage"),
        pytest.param("sqlite", "fuzzing,stateful", marks=pytest.mark.slowest),
    ]
    if _NUM_EXAMPLES is None
    else [(name, "examples,coverage,fuzzing,stateful") for name in ("postgresql", "sqlite")],
)
def test_the_api_does_what_its_document_says(
    database_url: str, phases: str, app: FastAPI, portal: BlockingPortal, tmp_path: Path
) -> None:
    names = _fill(app, portal, Settings(data_folder=tmp_path, database_url=database_url))
    broker = Valkey(tmp_path, tmp_path / "valkey.sock")
    settings = {"database_url": database_url, "broker_url": broker.url, "requests_per_minute": "0"}
    api = Api(tmp_path, **settings)
    try:
        _run_schemathesis(api, names, phases, tmp_path)
    finally:
        api.close()
        broker.kill()


def _run_schemathesis(api: Api, names: dict[str, str], phases: str, folder: Path) -> None:
    program = [str(Path(sys.executable).with_name("st")), "--config-file", str(_CONFIGURATION), "run"]
    options = ["--max-examples", _NUM_EXAMPLES or "8", "--seed", "1", "--no-color", "--phases"]
    header = ["--header", f"Authorization: Bearer {api.api_key}"]
    run = subprocess.run(
        [*program, f"{api.url}/openapi.json", *options, phases, *header],
        cwd=folder,
        env={**os.environ, **names},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr


def _fill(app: FastAPI, portal: BlockingPortal, settings: Settings) -> dict[str, str]:
    """One of everything, so that made-up requests meet something; the ids, by the configuration's names."""
    engine = open_database(settings.resolved_database_url)
    migrate(engine)
    engine.dispose()
    app.state.settings = settings
    with portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        return _names(Bench(app, portal, settings))


def _names(bench: Bench) -> dict[str, str]:
    corpus_id = bench.make_corpus()
    encoder_id = bench.make_encoder(corpus_id)
    evaluation_job = bench.make_evaluation(corpus_id, encoder_id)
    pretraining = bench.submit(PretrainSpec(corpus=corpus_id, name="again"), OWNER)
    lease = bench.start().lease
    row = bench.write(commit_checkpoint, lease, step=3, location="jobs/x", manifest={}, size_bytes=9)
    bench.client_of("ben", "read")
    with reading(bench.service.engine) as session:
        evaluation = session.scalars(select(EvaluationRow.id)).one()
        key = session.scalars(select(ApiKeyRow.id).where(ApiKeyRow.owner == "ben")).one()
    return {
        "CORPUS": corpus_id,
        "ENCODER": encoder_id,
        "EVALUATION": evaluation,
        "EVALUATION_JOB": evaluation_job,
        "PRETRAINING": pretraining,
        "WAITING_JOB": bench.submit_import("more"),
        "CHECKPOINT": row.id,
        "OTHER_KEY": key,
    }
