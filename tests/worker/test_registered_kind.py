"""A kind of job that is not built in goes the whole way once it is registered; nothing else is changed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from core.corpora.writing import write_corpus
from core.jobs.database import transaction
from core.jobs.keys import create_api_key
from core.jobs.kinds import KINDS, register
from core.jobs.tables.artifacts import CorpusRow
from core.specs.import_jobs import SplitConfig
from signforge.cli import app
from tests.core.corpora.conftest import three_signers
from tests.servers.service import RECONCILER, Service
from tests.servers.starting import REPOSITORY
from tests.signforge.conftest import listening_api
from tests.worker.programs.census import CENSUS

pytestmark = [pytest.mark.system, pytest.mark.slow]
WORKER = "tests.worker.programs.census_worker"
COUNTS = {"signer 0": 4, "signer 1": 4, "signer 2": 4}


@pytest.fixture
def registered() -> Iterator[None]:
    register(CENSUS)
    yield
    del KINDS[CENSUS.name]


@pytest.fixture
def http(registered: None, service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """The API of a service that knows the kind and has a corpus `signs`; the command line finds it, too."""
    _fill_corpus(service)
    with transaction(service.engine) as session:
        api_key = create_api_key(session, owner="ada", scopes=["read", "submit"])
    with listening_api(service.settings) as (_, _, port):
        url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {api_key}"}
        monkeypatch.setenv("SIGNFORGE_URL", url)
        monkeypatch.setenv("SIGNFORGE_API_KEY", api_key)
        with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60.0) as client:
            yield client


def test_a_registered_kind_is_submitted_run_measured_and_kept(
    http: httpx.Client, service: Service, tmp_path: Path
) -> None:
    body = {"kind": "census", "corpus": "signs"}
    tried = http.post("/v1/jobs?dry_run=true", json=body)
    assert (tried.status_code, tried.json()["kind"]) == (200, "census"), tried.text
    unknown = http.post("/v1/jobs", json={**body, "clips": {"signers": ["signer 9"]}})
    assert unknown.json()["errors"][0]["pointer"] == "/clips/signers/0"
    misspelt = http.post("/v1/jobs", json={**body, "corpuss": 1})
    assert "Did you mean 'corpus'?" in misspelt.json()["errors"][0]["detail"]

    answer = http.post("/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    job_id = answer.json()["id"]
    assert (answer.json()["name"], answer.json()["spec"]["corpus"]) == ("census of cor_1", "cor_1")
    listed = http.get("/v1/jobs?kind=census").json()["data"]
    assert [job["id"] for job in listed] == [job_id]
    needed = http.delete("/v1/corpora/cor_1")
    assert (needed.status_code, needed.json()["job_ids"]) == (409, [job_id])
    _ = service.broker
    service.start_module(RECONCILER)
    service.start_module(WORKER)
    service.wait_for_state(job_id, "succeeded")

    done = http.get(f"/v1/jobs/{job_id}").json()
    assert done["result"] == {"census": COUNTS}
    assert 'signforge_jobs{kind="census",state="succeeded"} 1.0' in _samples(http)
    assert 'signforge_attempts_total{kind="census",outcome="succeeded"} 1.0' in _samples(http)

    file = tmp_path / "census.json"
    file.write_text(json.dumps({**body, "clips": {"splits": ["test"]}}))
    submitted = CliRunner().invoke(app, ["submit", str(file), "--watch", "--json"])
    assert submitted.exit_code == 0, submitted.output
    assert json.loads(submitted.stdout)["result"] == {"census": {"signer 2": 4}}
    table = CliRunner().invoke(app, ["jobs", "--kind", "census"]).stdout
    assert table.count("census of cor_1") == 2

    assert http.delete("/v1/corpora/cor_1").status_code == 204
    retried = http.post(f"/v1/jobs/{job_id}/retry")
    assert retried.status_code == 409
    assert "because it needs cor_1, which was deleted" in retried.json()["detail"]


def test_the_document_describes_a_registered_kind(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["discriminator"]["mapping"]["census"] == "#/components/schemas/CensusSpec"
    assert body["examples"]["census"]["value"] == {"kind": "census", "corpus": "my-signs"}
    schemas = document["components"]["schemas"]
    assert "census" in schemas["JobResponse"]["properties"]["kind"]["enum"]
    assert schemas["CensusSpec"]["properties"]["corpus"]["description"] == "The corpus to count."


def test_the_job_of_a_kind_that_is_registered_no_more_can_be_read(
    http: httpx.Client, registered: None
) -> None:
    job_id = http.post("/v1/jobs", json={"kind": "census", "corpus": "signs"}).json()["id"]
    kind = KINDS.pop(CENSUS.name)
    try:
        job = http.get(f"/v1/jobs/{job_id}")
        refused = http.post("/v1/jobs", json={"kind": "census", "corpus": "signs"})
    finally:
        register(kind)
    assert (job.status_code, job.json()["name"]) == (200, "census")
    assert refused.status_code == 422
    assert "There is no kind 'census'" in refused.json()["errors"][0]["detail"]


def test_a_registered_kind_runs_without_a_service(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    write_corpus(corpus, three_signers(), name="signs", split=SplitConfig(), provenance={"from": "test"})
    spec = tmp_path / "census.json"
    spec.write_text(json.dumps({"kind": "census", "corpus": str(corpus)}))
    program = (
        "from core.jobs.kinds import register; from tests.worker.programs.census import CENSUS; "
        "register(CENSUS); from signforge.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "run", str(spec), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == {"census": COUNTS}


def _fill_corpus(service: Service) -> None:
    """Make the corpus that the service comes with a real one, called `signs`."""
    folder = service.store.corpus_folder("cor_1")
    folder.rmdir()
    corpus = write_corpus(
        folder, three_signers(), name="signs", split=SplitConfig(), provenance={"from": "test"}
    )
    with transaction(service.engine) as session:
        row = session.get_one(CorpusRow, "cor_1")
        row.name = "signs"
        row.summary = {
            "label_names": corpus.label_names,
            "signer_names": corpus.signer_names,
            "split_counts": corpus.split_counts,
        }


def _samples(http: httpx.Client) -> list[str]:
    return http.get("/metrics", headers={"Accept": "text/plain"}).text.splitlines()
