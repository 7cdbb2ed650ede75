"""What several processes count together: rows that only grow, for the metrics of any process."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.jobs.states import State
from core.jobs.tables.jobs import CounterRow

COLLECTED_BYTES = "collected_bytes"
"""Bytes of the files removed because nobody needed them any more."""
COLLECTED_FILES = "collected_files"
"""Those files."""
COLLECTION_BEGAN = "collection_began"
"""When a reconciler last began to look for them, in seconds since 1970."""
DEADLINES_PASSED = "deadlines_passed"
"""Jobs whose deadline passed while nobody held them."""
DOORBELLS_RUNG = "doorbells_rung"
"""Messages to the broker."""
RECONCILER_SEEN = "reconciler_seen"
"""When a reconciler last finished a round, in seconds since 1970."""


def leases_reaped(state: State) -> str:
    """Counter of leases that ran out and whose job then became `state`."""
    return f"leases_reaped.{state}"


REAPED_TO = (State.QUEUED, State.FAILED, State.CANCELLED, State.PAUSED)
"""What becomes of a job whose lease has run out."""


def add(session: Session, amounts: Mapping[str, int]) -> None:
    """Add to counters, as the last thing in the caller's transaction; always in the same order, so that two
    such transactions cannot wait for each other."""
    for name in sorted(amounts):
        _upsert(session, name, amounts[name], add=True)


def put(session: Session, name: str, value: int) -> None:
    """Set a counter that is a time; whoever is last counts."""
    _upsert(session, name, value, add=False)


def values(session: Session) -> dict[str, int]:
    """All counters; one that is missing has not been counted yet."""
    return {row.name: row.value for row in session.scalars(select(CounterRow))}


def _upsert(session: Session, name: str, value: int, *, add: bool) -> None:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(CounterRow).values(name=name, value=value)
    new = CounterRow.value + statement.excluded.value if add else statement.excluded.value
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": new}))
