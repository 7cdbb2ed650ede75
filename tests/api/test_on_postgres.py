"""Database differences on a real PostgreSQL: concurrent duplicates, cursors, queue positions, documents."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI
from sqlalchemy import text

from core.jobs.database import open_database, transaction
from core.jobs.migration import migrate
from core.jobs.settings import Settings
from core.jobs.tables.artifacts import CorpusRow
from tests.api.conftest import Bench
from tests.servers.postgres import postgres

pytestmark = pytest.mark.system


@pytest.fixture
def on_postgres(app: FastAPI, portal: BlockingPortal, tmp_path: Path) -> Iterator[Bench]:
    with postgres() as url:
        engine = open_database(url)
        migrate(engine)
        engine.dispose()
        settings = Settings(data_folder=tmp_path, database_url=url)
        app.state.settings = settings
        with portal.wrap_async_context_manager(app.router.lifespan_context(app)):
            yield Bench(app, portal, settings)


def test_the_api_on_postgres(on_postgres: Bench) -> None:
    bench = on_postgres
    corpus_id = bench.make_corpus()
    body = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: bench.client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"}), range(8)
            )
        )
    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1

    waiting = [bench.submit_import(f"corpus-{index}") for index in range(5)]
    met, where = [], "/v1/jobs?limit=2"
    while where:
        answer = bench.client.get(where)
        met += [(job["id"], job["queue_position"]) for job in answer.json()["data"]]
        where = answer.links.get("next", {}).get("url", "")
    places = {job_id: 2 + index for index, job_id in enumerate(waiting)}
    assert met[:5] == [(job_id, places[job_id]) for job_id in reversed(waiting)]
    assert len(met) == 7

    assert bench.client.post("/v1/jobs?dry_run=true", json=body).json()["queue_position"] == 7
    bench.client.post(f"/v1/jobs/{answers[0].json()['id']}/cancel")
    for job_id in waiting:
        bench.client.post(f"/v1/jobs/{job_id}/cancel")
    other_id = bench.make_corpus("words")
    with transaction(bench.service.engine) as session:
        session.get_one(CorpusRow, other_id).digest = "of other clips"
    both = bench.client.post("/v1/jobs", json=body | {"also": [{"corpus": "words"}]}).json()["id"]
    assert both in bench.client.delete(f"/v1/corpora/{other_id}").json()["detail"]
    bench.client.post(f"/v1/jobs/{both}/cancel")
    encoder_id = bench.make_encoder(corpus_id)
    bench.make_evaluation(corpus_id, encoder_id)
    assert len(bench.client.get(f"/v1/encoders/{encoder_id}").json()["evaluations"]) == 1
    numbers = bench.client.get("/metrics").text
    assert 'signforge_jobs{kind="import",state="cancelled"} 5.0' in numbers
    assert 'signforge_stored_bytes{owner="ada",what="encoder"} 7.0' in numbers
    checks = bench.client.get("/readyz").json()["checks"]
    assert checks["database"]["ok"]
    assert checks["migrations"]["ok"]


def test_a_server_that_only_reads_is_away_and_comes_back(on_postgres: Bench) -> None:
    bench, engine = on_postgres, on_postgres.service.engine
    with engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        database = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on'))
    engine.dispose()
    assert bench.client.get("/v1/jobs").status_code == 200
    answer = bench.client.post("/v1/uploads?filename=a", content=b"x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    with engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.execute(text(f'ALTER DATABASE "{database}" RESET default_transaction_read_only'))
    engine.dispose()
    assert bench.client.post("/v1/uploads?filename=a", content=b"x").status_code == 201
