"""Measure a small pretraining job in the service: time to the first step, and overhead of the service."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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

WORKERS, JOBS = 2, 5
ROUNDS, FEWEST_ROUNDS = 14, 3
"""Rounds of `overhead`: at most ROUNDS, and fewer (at least FEWEST_ROUNDS) after ENOUGH_SECONDS."""
ENOUGH_SECONDS, WINDOW_SECONDS = 250.0, 30.0


def first_step(stage: Stage) -> list[tuple[str, str]]:
    """Measure from the request, with an idle worker, to the report of the first step, by phase.

    Workers with and without a template (`SIGNFORGE_WARM_START`) alternate; a worker's first job does not
    count.
    """
    waits: dict[str, list[tuple[float, ...]]] = {"false": [], "true": []}
    for _ in range(WORKERS):
        for warm_start, found in waits.items():
            with ExitStack() as stack:
                stage.start_worker(stack, warm_start=warm_start)
                wait_for_idle_worker(stage)
                found += [_first_step(stage) for _ in range(1 + JOBS)][1:]
    return [line for warm_start, found in waits.items() for line in _phases(warm_start, found)]


def _phases(warm_start: str, waits: Sequence[tuple[float, ...]]) -> list[tuple[str, str]]:
    *parts, processor = (Spread.of(column) for column in zip(*waits, strict=True))
    *_, to_step = parts
    what = f"warm start {warm_start}, {len(waits)} jobs"
    shares = [f"{name} after {part:.2f} s" for name, part in zip(("claimed", "running"), parts, strict=False)]
    return [
        (f"submission to first step, {what}", f"{to_step:.2f} s; {'; '.join(shares)}"),
        (f"processor time of the machine for a job, {what}", f"{processor:.1f} s"),
    ]


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


def _first_step(stage: Stage) -> tuple[float, float, float, float]:
    """Return seconds from the request to the states `starting` and `running` and to the first step, and
    the processor time that the machine spent until the end of the job."""
    asked, used = time.time(), psutil.cpu_times()
    job_id = submit_job(stage, overrides_of(num_epochs=1, log_every_steps=1))

    def stepped() -> list[JobEventRow] | None:
        with reading(stage.api.engine) as session:
            events = list(session.scalars(select(JobEventRow).where(JobEventRow.job_id == job_id)))
        return events if any(event.type == "metric" for event in events) else None

    events = wait_for(stepped, within_seconds=WITHIN_SECONDS, what="the first step")
    seen = {event.data.get("to", event.type): event.created_at.timestamp() for event in reversed(events)}
    wait_until_final(stage, job_id)
    now = psutil.cpu_times()
    processor = now.user + now.system - used.user - used.system
    return seen["starting"] - asked, seen["running"] - asked, seen["metric"] - asked, processor


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
