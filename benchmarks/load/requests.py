"""Measure submissions and status polls per second over several concurrent connections."""

import json
from collections.abc import Sequence
from contextlib import ExitStack

from sqlalchemy import func, select

from core.jobs.database import reading, transaction
from core.jobs.ledger.submissions import submit
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import PretrainSpec
from load.api_sides import QUEUED, Server, bare
from load.exchanges import Exchange, Load, interleave, poll, row, send_all
from load.stage import CORPUS, OWNER, Stage

SUBMISSIONS, POLLS, ROUNDS = 400, 800, 3


def submissions(stage: Stage) -> list[tuple[str, str]]:
    """Measure new jobs with idempotency keys, then repetitions of the same requests, which add no jobs."""
    body = json.dumps({"kind": "pretrain", "corpus": CORPUS, "recipe": "smoke"})

    def headers(number: int) -> dict[str, str]:
        return {"Content-Type": "application/json", "Idempotency-Key": f"load-{number}"}

    exchange = Exchange("POST", lambda _: "/v1/jobs", headers, status=201, body=body)
    server = _server(stage, [])
    first, again = (send_all(server, exchange, SUBMISSIONS) for _ in range(2))
    with reading(stage.api.engine) as session:
        kept = session.scalar(select(func.count()).where(JobRow.state == "queued"))
    assert kept == SUBMISSIONS, f"{kept} jobs of {SUBMISSIONS} submissions"
    return [("submissions", _text(first)), ("submissions replayed", _text(again))]


def polls(stage: Stage) -> list[tuple[str, str]]:
    """Measure polls of queued jobs, and the bare endpoint on the same database, in alternation."""
    with transaction(stage.api.engine) as session:
        spec = PretrainSpec(corpus=CORPUS)
        ids = [submit(session, owner=OWNER, spec=spec, resolved=None).id for _ in range(QUEUED)]
    with ExitStack() as stack:
        url = stage.api.settings.resolved_database_url
        least = bare(stack, url, ids, log=stage.folder / "bare.log")
        ours = _server(stage, [f"/v1/jobs/{job_id}" for job_id in ids])
        work = {"ours": lambda _: poll(ours, POLLS), "bare": lambda _: poll(least, POLLS)}
        loads = interleave(work, rounds=ROUNDS)
    names = {f"status polls, {QUEUED} queued; times the bare endpoint": "ours", "bare endpoint": "bare"}
    return [(what, "; ".join(row(loads[side], loads["bare"]))) for what, side in names.items()]


def _server(stage: Stage, paths: Sequence[str]) -> Server:
    headers = {"Authorization": f"Bearer {stage.api.api_key}"}
    return Server(stage.api.port, stage.api.process.pid, paths, headers)


def _text(load: Load) -> str:
    return f"{load.per_second:.0f} /s; one takes {load.milliseconds:.0f} ms"
