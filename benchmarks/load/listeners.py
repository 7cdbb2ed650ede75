"""Measure event delivery to a thousand listeners of one job: completeness and latency."""

import asyncio
import statistics
import time

from core.jobs.database import transaction
from core.jobs.ledger import leases, outcomes, reports
from core.jobs.ledger.fence import Lease
from core.jobs.ledger.submissions import submit
from core.jobs.states import Reason
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import PretrainSpec
from load.stage import CORPUS, OWNER, Stage

LISTENERS, EVENTS, PAUSE_SECONDS = 1000, 30, 0.5
_WITHIN_SECONDS = 120


def listeners(stage: Stage) -> list[tuple[str, str]]:
    """Measure latency: all listeners connect first, then there are two events a second until the job ends."""
    job_id, lease = _running_job(stage)
    heard, said = asyncio.run(asyncio.wait_for(_listen(stage, job_id, lease), _WITHIN_SECONDS))
    sequences = list(range(1, max(said) + 1))
    for times in heard:
        assert [sequence for sequence, _ in times] == sequences, "an event was lost or doubled"
    late = [[at - said[sequence] for sequence, at in times if sequence in said] for times in heard]
    median = statistics.median(each for listener in late for each in listener)
    slowest = max(each for listener in late for each in listener)
    worst = statistics.median(max(column) for column in zip(*late, strict=True))
    return [
        (
            f"{len(heard)} listeners, {len(said)} events",
            f"each got each once; late by {median:.2f} s, an event's slowest listener by {worst:.2f} s, "
            f"at most {slowest:.2f} s",
        )
    ]


def _running_job(stage: Stage) -> tuple[str, Lease]:
    with transaction(stage.api.engine) as session:
        job = submit(session, owner=OWNER, spec=PretrainSpec(corpus=CORPUS), resolved=None)
        job.priority = 100  # before all other queued jobs
        session.flush()
        claim = leases.claim(session, "hand", 600.0)
        assert claim is not None
        assert claim.job_id == job.id
        reports.report_started(session, claim.lease)
    return claim.job_id, claim.lease


async def _listen(
    stage: Stage, job_id: str, lease: Lease
) -> tuple[list[list[tuple[int, float]]], dict[int, float]]:
    """Return the events and times of each listener, and the commit time of each event."""
    ready = [asyncio.Event() for _ in range(LISTENERS)]
    slots = asyncio.Semaphore(50)
    heard = [asyncio.create_task(_listener(stage, job_id, each, slots)) for each in ready]
    await asyncio.gather(*(each.wait() for each in ready))
    said: dict[int, float] = {}
    for step in range(EVENTS):
        await asyncio.sleep(PAUSE_SECONDS)
        await asyncio.to_thread(_say, stage, lease, step, said)
    return list(await asyncio.gather(*heard)), said


def _say(stage: Stage, lease: Lease, step: int, said: dict[int, float]) -> None:
    with transaction(stage.api.engine) as session:
        if step < EVENTS - 1:
            reports.report_progress(
                session, lease, {"phase": "training", "step": step, "total_steps": EVENTS}
            )
        else:
            outcomes.fail(session, lease, reason=Reason.DATA_UNUSABLE, message="the end")
        sequence = session.get_one(JobRow, lease.job_id).last_event
    said[sequence] = time.perf_counter()


async def _listener(
    stage: Stage, job_id: str, ready: asyncio.Event, slots: asyncio.Semaphore
) -> list[tuple[int, float]]:
    """Read the stream to its end; `ready` once the first event has come."""
    async with slots:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.api.port)
        request = (
            f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: load\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {stage.api.api_key}\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        assert b" 200 " in await reader.readline()
        heard: list[tuple[int, float]] = []
        await _next(reader, heard)
        ready.set()
    while await _next(reader, heard):
        pass
    writer.close()
    return heard


async def _next(reader: asyncio.StreamReader, heard: list[tuple[int, float]]) -> bool:
    """Read on to the next event's id; False at the end."""
    while line := await reader.readline():
        if line.startswith(b"id: "):
            heard.append((int(line[4:]), time.perf_counter()))
            return True
    return False
