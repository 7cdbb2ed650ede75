"""A real, tiny pretraining in the service: how soon it begins, and what the service costs it."""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from measuring import Spread
from sqlalchemy import select

from core.allocator import tuned_environment
from core.jobs.database import reading
from core.jobs.states import FINAL
from core.jobs.tables import JobEventRow, JobMetricRow, JobRow, WorkerRow
from core.recipes import resolve
from core.specs import PretrainSpec
from load.stage import CORPUS, Stage
from tests.servers.starting import wait_for

JOBS, ROUNDS, FEWEST_ROUNDS = 5, 7, 3
"""Rounds of `overhead`: as many as fit into ENOUGH_SECONDS, on a busy machine fewer."""
ENOUGH_SECONDS = 180.0
_WITHIN_SECONDS = 180.0
_NEVER = 1_000_000
_BATCH = 32


def first_step(stage: Stage) -> list[tuple[str, str]]:
    """From the request on an idle worker to the report of the first step, and where the time goes."""
    with ExitStack() as stack:
        stage.start_worker(stack)
        _wait_for_idle_worker(stage)
        waits = [_first_step(stage) for _ in range(JOBS)]
    to_claim, to_sign, to_step = (Spread.of(column) for column in zip(*waits, strict=True))
    parts = f"claimed after {to_claim:.2f} s, first sign of life after {to_sign:.2f} s"
    return [(f"submission to first step, {JOBS} jobs", f"{to_step:.2f} s; {parts}")]


def overhead(stage: Stage) -> list[tuple[str, str]]:
    """Clips per second of the training loop under the service and of the same program alone, in turns."""
    overrides = _overrides(num_epochs=5, log_every_steps=10)
    pairs: list[tuple[float, float]] = []
    with ExitStack() as stack:
        stage.start_worker(stack)
        _wait_for_idle_worker(stage)
        began = time.monotonic()
        while len(pairs) < FEWEST_ROUNDS or (
            len(pairs) < ROUNDS and time.monotonic() - began < ENOUGH_SECONDS
        ):
            pairs.append((_bare(stage, overrides), _served(stage, overrides)))
    costs = Spread.of([100 * (bare / served - 1) for bare, served in pairs])
    bare, served = (statistics.median(column) for column in zip(*pairs, strict=True))
    found = f"{costs:.1f} %; {served:.0f} clips/s against {bare:.0f}"
    return [(f"cost of the service to training, {len(pairs)} rounds", found)]


def _overrides(**run: int) -> dict[str, Any]:
    usual = {"batch_size": _BATCH, "checkpoint_every_steps": _NEVER, "device": "cpu"}
    views = {"num_frames": 8, "min_crop_frames": 4}
    return {"run": {**usual, **run}, "views": views}


def _first_step(stage: Stage) -> tuple[float, float, float]:
    """Seconds from the request to the claim, to the program's first sign of life, and to its first step."""
    asked = time.time()
    job_id = _submit(stage, _overrides(num_epochs=1, log_every_steps=1))

    def stepped() -> list[JobEventRow] | None:
        with reading(stage.api.engine) as session:
            events = list(session.scalars(select(JobEventRow).where(JobEventRow.job_id == job_id)))
        return events if any(event.type == "metric" for event in events) else None

    events = wait_for(stepped, within_seconds=_WITHIN_SECONDS, what="the first step")
    seen = {event.data.get("to", event.type): event.created_at.timestamp() for event in reversed(events)}
    _wait_until_final(stage, job_id)
    return seen["starting"] - asked, seen["running"] - asked, seen["metric"] - asked


def _served(stage: Stage, overrides: dict[str, Any]) -> float:
    job_id = _submit(stage, overrides)
    _wait_until_final(stage, job_id)
    rate = select(JobMetricRow.value).filter_by(job_id=job_id, name="samples_per_second")
    with reading(stage.api.engine) as session:
        return float(session.scalars(rate.order_by(JobMetricRow.step.desc())).first() or 0)


def _bare(stage: Stage, overrides: dict[str, Any]) -> float:
    """The same program, specification and environment, with nobody at the other end."""
    path = str(stage.api.store.corpus_folder(CORPUS))
    spec = PretrainSpec(corpus=path, recipe="smoke", overrides=overrides)
    resolve(spec)
    with tempfile.TemporaryDirectory(prefix="signforge-bare-") as folder:
        file, log = Path(folder) / "spec.json", Path(folder) / "events"
        file.write_text(spec.model_dump_json())
        words = ["--spec", str(file), "--out", f"{folder}/out", "--events"]
        with log.open("w") as output:
            subprocess.run(
                [sys.executable, "-m", "core.training.pretrain", *words],
                check=True,
                stdout=output,
                env={**os.environ, **tuned_environment(), "OMP_WAIT_POLICY": "PASSIVE"},
            )
        steps = [event for line in log.open() if (event := json.loads(line))["event"] == "step"]
    return float(steps[-1]["metrics"]["samples_per_second"])


def _submit(stage: Stage, overrides: dict[str, Any]) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", stage.api.port)
    body = json.dumps({"kind": "pretrain", "corpus": CORPUS, "recipe": "smoke", "overrides": overrides})
    headers = {"Authorization": f"Bearer {stage.api.api_key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/jobs", body, headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    assert answer.status == 201, document
    return str(document["id"])


def _wait_until_final(stage: Stage, job_id: str) -> None:
    def final() -> JobRow | None:
        with reading(stage.api.engine) as session:
            job = session.get_one(JobRow, job_id)
        return job if job.state in FINAL else None

    job = wait_for(final, within_seconds=_WITHIN_SECONDS, what=f"the end of {job_id}")
    assert job.state == "succeeded", job.status_message
    _wait_for_idle_worker(stage)


def _wait_for_idle_worker(stage: Stage) -> None:
    def idle() -> bool:
        with reading(stage.api.engine) as session:
            rows = session.scalars(select(WorkerRow)).all()
        return bool(rows) and all(row.job_id is None for row in rows)

    wait_for(idle, within_seconds=60, what="a worker with nothing to do")
