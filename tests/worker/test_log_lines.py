"""Logs of real processes: one JSON object per line, with the request id, without secrets."""

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.jobs.database import transaction
from core.jobs.ledger.submissions import Origin, submit
from core.specs.jobs import PretrainSpec
from tests.servers.service import SUPERVISOR, WORKER, Service

pytestmark = pytest.mark.system


@pytest.fixture
def service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Service(folder, SIGNFORGE_LOG_FORMAT="json")
    yield made
    made.stop_everything()


def test_a_jobs_lines_can_be_found_by_its_request_and_hold_no_token(service: Service, folder: Path) -> None:
    worker = service.start()
    spec = PretrainSpec(corpus="cor_1", overrides={"steps": 1000, "step_seconds": 0.1})
    with transaction(service.engine) as session:
        origin = Origin(request_id="req_7")
        job_id = submit(session, owner="ada", spec=spec, resolved=None, origin=origin).id
    service.wait_for_step(job_id, 5)
    token = str(service.job(job_id).lease_token)
    commands = [word for process in service.processes() for word in _command(process)]
    service.cancel(job_id)
    service.wait_for_state(job_id, "cancelled")
    service.wait_for_no_process(SUPERVISOR)
    worker.terminate()
    worker.wait(20)
    text = (folder / f"{WORKER}.log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line and not _celery_says(line)]
    about = [line for line in lines if line.get("job_id") == job_id]
    assert {line["process"] for line in about} == {"worker", "supervisor"}
    assert {(line["request_id"], line["attempt"]) for line in about} == {("req_7", 1)}
    assert all(line["worker"].endswith(os.uname().nodename) for line in lines)
    assert SUPERVISOR in commands
    assert token not in text
    assert not any(token in word for word in commands)
    reconciler = (folder / "worker.reconciler.log").read_text().splitlines()
    assert all(json.loads(line)["process"] == "reconciler" for line in reconciler)


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _celery_says(line: str) -> bool:
    """Celery writes this from inside its signal handler, past the log."""
    return line.startswith("worker: ")
