"""Measure claims per second of sixty concurrent workers on a long queue, and check for double claims."""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select, text

from core.jobs.database import open_database, reading, transaction
from core.jobs.ledger.leases import claim
from core.jobs.ledger.submissions import submit
from core.jobs.states import State
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import PretrainSpec
from load.stage import CORPUS, Stage

CLAIMANTS, QUEUED, OWNERS, CLAIMS = 60, 10_000, 20, 5
_BLOCK = 1000


def claims(stage: Stage) -> list[tuple[str, str]]:
    """Measure claims; each claimant has its own database connection, like a worker, and claims a few jobs."""
    _fill(stage)
    url = stage.api.settings.resolved_database_url
    taken: list[str] = []
    seconds: list[float] = []
    gate = threading.Barrier(CLAIMANTS + 1)

    def work(number: int) -> None:
        engine = open_database(url)
        with reading(engine) as session:
            session.execute(select(1))
        gate.wait()
        for _ in range(CLAIMS):
            began = time.perf_counter()
            with transaction(engine) as session:
                claimed = claim(session, f"worker-{number}", 600.0)
            seconds.append(time.perf_counter() - began)
            assert claimed is not None
            taken.append(claimed.job_id)
        engine.dispose()

    with ThreadPoolExecutor(CLAIMANTS) as pool:
        claimants = [pool.submit(work, number) for number in range(CLAIMANTS)]
        gate.wait()
        began = time.perf_counter()
        for claimant in claimants:
            claimant.result()
        rate = len(taken) / (time.perf_counter() - began)
    assert len(set(taken)) == len(taken) == CLAIMANTS * CLAIMS, "a job was claimed twice"
    return [
        (
            f"claims, {CLAIMANTS} at once, {QUEUED} queued",
            f"{rate:.0f} /s, none shared, {OWNERS} owners even to {_unevenness(stage)} job; one waits "
            f"{1e3 * statistics.median(seconds):.0f} ms, at most {1e3 * max(seconds):.0f} ms",
        )
    ]


def _fill(stage: Stage) -> None:
    """Queue the jobs and run ANALYZE in PostgreSQL, which autovacuum would do within a minute."""
    for first in range(0, QUEUED, _BLOCK):
        with transaction(stage.api.engine) as session:
            for number in range(first, first + _BLOCK):
                spec = PretrainSpec(corpus=CORPUS)
                submit(session, owner=f"owner-{number % OWNERS}", spec=spec, resolved=None)
    if stage.api.engine.dialect.name == "postgresql":
        with transaction(stage.api.engine) as session:
            session.execute(text("ANALYZE jobs"))


def _unevenness(stage: Stage) -> int:
    """Return the difference between the largest and the smallest number of jobs of an owner."""
    held = select(func.count()).where(JobRow.state == State.STARTING).group_by(JobRow.owner)
    with reading(stage.api.engine) as session:
        counts = session.scalars(held).all()
    return max(counts) - min(counts)
