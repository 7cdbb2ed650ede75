"""Measure a small pretraining job in the service: time to the first step, and overhead of the service."""

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

import psutil
from measuring import Spread, median_interval
from sqlalchemy import select

from core.jobs.database import reading, transaction
from core.jobs.ledger.submissions import cancel
from core.jobs.states import FINAL
from core.jobs.tables.jobs import JobEventRow, JobRow
from core.program.allocator import tuned_environment
from core.specs.jobs import PretrainSpec
from core.specs.recipes import resolve
from load.jobs import (
    WITHIN_SECONDS,
    overrides_of,
    rate_of,
    state_of,
    submit_job,
    wait_for_idle_worker,
    wait_until_final,
)
from load.stage import CORPUS, Stage
from tests.servers.starting import wait_for

JOBS, ROUNDS, FEWEST_ROUNDS = 5, 14, 3
"""Rounds of `overhead`: at most ROUNDS, and fewer (at least FEWEST_ROUNDS) after ENOUGH_SECONDS."""
ENOUGH_SECONDS, WINDOW_SECONDS = 250.0, 30.0


def first_step(stage: Stage) -> list[tuple[str, str]]:
    """Measure from the request, with an idle worker, to the report of the first step, by phase."""
    with ExitStack() as stack:
        stage.start_worker(stack)
        wait_for_idle_worker(stage)
        waits = [_first_step(stage) for _ in range(JOBS)]
    to_claim, to_running, to_step = (Spread.of(column) for column in zip(*waits, strict=True))
    parts = f"claimed after {to_claim:.2f} s, running after {to_running:.2f} s"
    return [(f"submission to first step, {JOBS} jobs", f"{to_step:.2f} s; {parts}")]


def overhead(stage: Stage) -> list[tuple[str, str]]:
    """Compare clips per second of training in the service and of the same program alone, in alternation."""
    overrides = overrides_of(num_epochs=5, log_every_steps=10)
    pairs: list[tuple[float, float]] = []
    with ExitStack() as stack:
        stage.start_worker(stack)
        wait_for_idle_worker(stage)
        began = time.monotonic()
        while len(pairs) < FEWEST_ROUNDS or (
            len(pairs) < ROUNDS and time.monotonic() - began < ENOUGH_SECONDS
        ):
            pairs.append((_standalone(stage, overrides), _in_service(stage, overrides)))
        service, program = _cores_used(stage)
    costs = [100 * (bare / served - 1) for bare, served in pairs]
    least, most = median_interval(costs)
    bare, served = (statistics.median(column) for column in zip(*pairs, strict=True))
    found = f"{Spread.of(costs):.1f} %; {served:.0f} clips/s against {bare:.0f}"
    return [
        (f"cost of the service to training, {len(pairs)} rounds", found),
        ("the same, 95 % confidence interval of the median", f"{least:.1f} .. {most:.1f} %"),
        (
            f"the same in processor time, {WINDOW_SECONDS:.0f} s of steps",
            f"{100 * service / program:.1f} %; {service:.3f} cores against {program:.2f}",
        ),
    ]


def _cores_used(stage: Stage) -> tuple[float, float]:
    """Return the cores used by all processes of the service during training, and by the training program.

    Unlike a rate, processor time hardly depends on other load on the machine.
    """
    job_id = submit_job(stage, overrides_of(num_epochs=1000, log_every_steps=10))
    wait_for(lambda: rate_of(stage, job_id), within_seconds=WITHIN_SECONDS, what="the first steps")
    before, began = _processor_seconds(), time.monotonic()
    wait_for(
        lambda: time.monotonic() - began > WINDOW_SECONDS, within_seconds=2 * WINDOW_SECONDS, what="time"
    )
    after, taken = _processor_seconds(), time.monotonic() - began
    with transaction(stage.api.engine) as session:
        cancel(session, session.get_one(JobRow, job_id))
    wait_for(lambda: state_of(stage, job_id) in FINAL, within_seconds=WITHIN_SECONDS, what="the cancel")
    return (after[0] - before[0]) / taken, (after[1] - before[1]) / taken


def _processor_seconds() -> tuple[float, float]:
    """Return the processor time of the service's processes and of the training program, all descendants."""
    service = program = 0.0
    for process in psutil.Process().children(recursive=True):
        used = process.cpu_times()
        if "core.training.pretrain" in process.cmdline():
            program += used.user + used.system
        else:
            service += used.user + used.system
    return service, program


def _first_step(stage: Stage) -> tuple[float, float, float]:
    """Return seconds from the request to the states `starting` and `running`, and to the first step."""
    asked = time.time()
    job_id = submit_job(stage, overrides_of(num_epochs=1, log_every_steps=1))

    def stepped() -> list[JobEventRow] | None:
        with reading(stage.api.engine) as session:
            events = list(session.scalars(select(JobEventRow).where(JobEventRow.job_id == job_id)))
        return events if any(event.type == "metric" for event in events) else None

    events = wait_for(stepped, within_seconds=WITHIN_SECONDS, what="the first step")
    seen = {event.data.get("to", event.type): event.created_at.timestamp() for event in reversed(events)}
    wait_until_final(stage, job_id)
    return seen["starting"] - asked, seen["running"] - asked, seen["metric"] - asked


def _in_service(stage: Stage, overrides: dict[str, Any]) -> float:
    job_id = submit_job(stage, overrides)
    wait_until_final(stage, job_id)
    rate = rate_of(stage, job_id)
    assert rate is not None
    return rate


def _standalone(stage: Stage, overrides: dict[str, Any]) -> float:
    """Run the same program, specification and environment without the service."""
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
