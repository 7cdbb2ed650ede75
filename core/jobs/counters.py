"""Counters in the database, shared by all processes and read for the metrics."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.jobs.database import insert
from core.jobs.states import State
from core.jobs.tables.jobs import CounterRow

COLLECTED_BYTES = "collected_bytes"
"""Bytes of the files removed by garbage collection."""
COLLECTED_FILES = "collected_files"
"""Files removed by garbage collection."""
COLLECTION_BEGAN = "collection_began"
"""When a reconciler last started a garbage collection, in seconds since 1970."""
DEADLINES_PASSED = "deadlines_passed"
"""Jobs whose deadline passed while no worker held them."""
DOORBELLS_RUNG = "doorbells_rung"
"""Doorbell messages sent to the broker."""
RECONCILER_SEEN = "reconciler_seen"
"""When a reconciler last finished a round, in seconds since 1970."""


def leases_reaped(state: State) -> str:
    """Name of the counter of expired leases whose job became `state`."""
    return f"leases_reaped.{state}"


REAPED_TO = (State.QUEUED, State.FAILED, State.CANCELLED, State.PAUSED)
"""Possible states of a job after its lease has expired."""


def add(session: Session, amounts: Mapping[str, int]) -> None:
    """Add to counters, as the last write of the caller's transaction.

    Counters are locked in sorted order, so two such transactions cannot deadlock.
    """
    for name in sorted(amounts):
        _upsert(session, name, amounts[name], add=True)


def put(session: Session, name: str, value: int) -> None:
    """Set a counter that holds a time. The last writer wins."""
    _upsert(session, name, value, add=False)


def values(session: Session) -> dict[str, int]:
    """All counters by name. A counter that was never written is missing."""
    return {row.name: row.value for row in session.scalars(select(CounterRow))}


def _upsert(session: Session, name: str, value: int, *, add: bool) -> None:
    statement = insert(session, CounterRow).values(name=name, value=value)
    new = CounterRow.value + statement.excluded.value if add else statement.excluded.value
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": new}))
