"""Measure the time from cancelling a training job to its end, including saving the checkpoint."""

import time
from contextlib import ExitStack

import psutil
from measuring import Spread
from sqlalchemy import select

from core.jobs.database import reading
from core.jobs.tables.artifacts import CheckpointRow
from load.jobs import WITHIN_SECONDS, overrides_of, post, rate_of, state_of, submit_job, wait_for_idle_worker
from load.stage import Stage
from tests.servers.starting import wait_for

JOBS = 9


def cancels(stage: Stage) -> list[tuple[str, str]]:
    """Measure from the request to the state `cancelled`, which is set after all processes have ended."""
    with ExitStack() as stack:
        stage.start_worker(stack)
        wait_for_idle_worker(stage)
        waits = [_cancel(stage) for _ in range(JOBS)]
    found = Spread.of(waits)
    return [(f"cancel to cancelled, {JOBS} trainings, a checkpoint each", f"{found:.2f} s")]


def _cancel(stage: Stage) -> float:
    job_id = submit_job(stage, overrides_of(num_epochs=1000, log_every_steps=10))
    wait_for(lambda: rate_of(stage, job_id), within_seconds=WITHIN_SECONDS, what="the first steps")
    asked = time.monotonic()
    post(stage, f"/v1/jobs/{job_id}/cancel")
    while state_of(stage, job_id) != "cancelled":
        assert time.monotonic() - asked < WITHIN_SECONDS
    taken = time.monotonic() - asked
    assert not [each for each in psutil.Process().children(recursive=True) if _trains(each)]
    with reading(stage.api.engine) as session:
        assert session.scalars(select(CheckpointRow).filter_by(job_id=job_id)).all(), "none but the last"
    wait_for_idle_worker(stage)
    return taken


def _trains(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "core.training.pretrain" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
