"""Small pretraining jobs for the load test: submitted over HTTP, monitored in the database."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from core.jobs.database import reading
from core.jobs.states import FINAL
from core.jobs.tables.jobs import JobMetricRow, JobRow, WorkerRow
from load.stage import CORPUS, Stage
from tests.servers.starting import wait_for

WITHIN_SECONDS = 180.0
_NEVER = 1_000_000
_BATCH = 32


def overrides_of(**run: int) -> dict[str, Any]:
    usual = {"batch_size": _BATCH, "checkpoint_every_steps": _NEVER, "device": "cpu"}
    views = {"num_frames": 8, "min_crop_frames": 4}
    return {"run": {**usual, **run}, "views": views}


def submit_job(stage: Stage, overrides: dict[str, Any]) -> str:
    body = {"kind": "pretrain", "corpus": CORPUS, "recipe": "smoke", "overrides": overrides}
    return str(post(stage, "/v1/jobs", body)["id"])


def post(stage: Stage, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", stage.api.port)
    headers = {"Authorization": f"Bearer {stage.api.api_key}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    assert answer.status in (201, 202), document
    return dict(document)


def state_of(stage: Stage, job_id: str) -> str:
    with reading(stage.api.engine) as session:
        return session.get_one(JobRow, job_id).state


def rate_of(stage: Stage, job_id: str) -> float | None:
    """Return the last reported clips per second since the job's first step."""
    rate = select(JobMetricRow.value).filter_by(job_id=job_id, name="samples_per_second")
    with reading(stage.api.engine) as session:
        return session.scalars(rate.order_by(JobMetricRow.step.desc())).first()


def wait_until_final(stage: Stage, job_id: str) -> None:
    end = f"the end of {job_id}"
    wait_for(lambda: state_of(stage, job_id) in FINAL, within_seconds=WITHIN_SECONDS, what=end)
    assert state_of(stage, job_id) == "succeeded"
    wait_for_idle_worker(stage)


def wait_for_idle_worker(stage: Stage) -> None:
    def idle() -> bool:
        with reading(stage.api.engine) as session:
            rows = session.scalars(select(WorkerRow)).all()
        return bool(rows) and all(row.job_id is None for row in rows)

    wait_for(idle, within_seconds=60, what="a worker with nothing to do")
